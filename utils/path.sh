# shellcheck shell=bash
# The environment of every recipe, for scripts to source: our Python first, UTF-8 everywhere.

SPEECHMOE_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
SPEECHMOE_VENV="${SPEECHMOE_VENV:-${SPEECHMOE_ROOT}/.venv}"
export SPEECHMOE_ROOT SPEECHMOE_VENV
export PATH="${SPEECHMOE_VENV}/bin:${PATH}"
export PYTHONPATH="${SPEECHMOE_ROOT}${PYTHONPATH:+:${PYTHONPATH}}"
export PYTHONIOENCODING=utf-8 LC_ALL=C.UTF-8 PYTHONUNBUFFERED=1

if ! command -v python >/dev/null; then
    printf 'error: there is no Python environment in %s; make it by %s/utils/setup.sh\n' \
        "${SPEECHMOE_VENV}" "${SPEECHMOE_ROOT}" >&2
    exit 1
fi
