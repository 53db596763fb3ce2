# shellcheck shell=bash
# Variables that Python finds out for a script, for scripts to source.
#
#     read_plan recipe --root ... -- stage=1 nj=2
#
# sets the variables and arrays that `python -m speechmoe_espnet.bin.plan` prints. Nothing is evaluated. A
# mistake that it finds ends the script.

read_plan() {
    local plan_lines plan_name plan_value
    plan_lines="$(python -m speechmoe_espnet.bin.plan "$@")"
    while IFS=$'\t' read -r plan_name plan_value; do
        local -n plan_array="${plan_name%[+\[]*}"
        case "${plan_name}" in
            *'[]') plan_array=() ;;
            *+) plan_array+=("${plan_value}") ;;
            *) printf -v "${plan_name}" '%s' "${plan_value}" ;;
        esac
        unset -n plan_array
    done <<<"${plan_lines}"
}
