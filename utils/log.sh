# shellcheck shell=bash
# Log messages with the time, for scripts to source.

log() {
    printf '%s %s\n' "$(date '+%H:%M:%S')" "$*"
}

die() {
    printf '%s: error: %s\n' "$(basename "${SPEECHMOE_PROGRAM:-$0}")" "$*" >&2
    exit 1
}
