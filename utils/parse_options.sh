# shellcheck shell=bash
# Command-line options, for scripts to source.
#
#     stage=1
#     declare_option stage int "first stage to run"
#     token_type=char
#     declare_option token_type "char|bpe" "what the model predicts"
#     parse_options "What the script does." "$@"
#
# sets the variables stage and token_type from --stage and --token-type. An option may be spelled --a-b or --a_b, and
# its value given as --x=1 or --x 1. Errors are: an unknown option, a missing value, a value of the wrong type, and a word
# that is not an option. Values are never evaluated. --help prints the declared options with their current values.
# SPEECHMOE_PROGRAM is the program name in messages, for a script that another script starts.
#
# Types: str, int (0, 1, 2, ...), flag (no value: false or true), dir and file (must exist if given), or the allowed
# values separated by |.
#
# option_given NAME succeeds if the option is on the command line.

if [[ "${OSTYPE}" != linux* ]] || [ "${BASH_VERSINFO[0]}" -lt 4 ]; then
    echo "error: this project runs on Linux with bash 4 or newer; this is ${OSTYPE}, bash ${BASH_VERSION}" >&2
    exit 1
fi

declare -a _option_names=()
declare -A _option_types=() _option_texts=() _option_given=()

declare_option() {
    local name="$1"
    _option_names+=("${name}")
    _option_types["${name}"]="$2"
    _option_texts["${name}"]="$3"
}

option_given() {
    [ -n "${_option_given["$1"]+given}" ]
}

parse_options() {
    local description="$1" name value
    shift
    while [ $# -gt 0 ]; do
        case "$1" in
            -h | --help)
                _print_help "${description}"
                exit 0
                ;;
            --?*) ;;
            *) _option_error "'$1' is not an option; every value needs its option's name" ;;
        esac
        name="${1#--}"
        name="${name%%=*}"
        name="${name//-/_}"
        if [ -z "${_option_types["${name}"]+declared}" ]; then
            _option_error "unknown option ${1%%=*}"
        fi
        if [ "${_option_types["${name}"]}" = flag ]; then
            case "$1" in *=*) _option_error "${1%%=*} takes no value, got '${1#*=}'" ;; esac
            value=true
        elif [[ "$1" == *=* ]]; then
            value="${1#*=}"
        elif [ $# -lt 2 ]; then
            _option_error "$1 needs a value"
        else
            value="$2"
            shift
        fi
        shift
        _check_option "${name}" "${value}"
        printf -v "${name}" '%s' "${value}"
        _option_given["${name}"]=true
    done
}

_check_option() {
    local name="$1" value="$2" shown="--${1//_/-}" type="${_option_types["$1"]}"
    case "${type}" in
        str | flag) ;;
        int)
            [[ "${value}" =~ ^(0|[1-9][0-9]{0,8})$ ]] ||
                _option_error "${shown} needs a whole number (0, 1, 2, ...), got '${value}'"
            ;;
        file)
            [ -f "${value}" ] || _option_error "${shown}: there is no file '${value}'"
            ;;
        dir)
            [ -d "${value}" ] || _option_error "${shown}: there is no directory '${value}'"
            ;;
        *)
            if [[ -z "${value}" || "${value}" == *"|"* ]] || [[ "|${type}|" != *"|${value}|"* ]]; then
                _option_error "${shown} allows ${type//|/, }; got '${value}'"
            fi
            ;;
    esac
}

_print_help() {
    local name type
    printf 'Usage: %s [options]\n\n%s\n\nOptions:\n' "${SPEECHMOE_PROGRAM:-$0}" "$1"
    for name in "${_option_names[@]}"; do
        type="${_option_types["${name}"]}"
        if [ "${type}" = flag ]; then
            printf '  --%s\n' "${name//_/-}"
            printf '        %s\n' "${_option_texts["${name}"]}"
        else
            printf '  --%s <%s>\n' "${name//_/-}" "${type}"
            printf '        %s (default: %s)\n' "${_option_texts["${name}"]}" \
                "${!name:-none}"
        fi
    done
    printf '  --help\n        show this and exit\n'
}

_option_error() {
    local program="${SPEECHMOE_PROGRAM:-$0}"
    printf '%s: error: %s (see %s --help)\n' "$(basename "${program}")" "$1" "${program}" >&2
    exit 2
}
