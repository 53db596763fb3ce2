#!/usr/bin/env bash
# Makes the Python environment (.venv, or $SPEECHMOE_VENV) that everything here runs in.
#
# uv installs the packages (seconds), pip where uv cannot be had (minutes).
#
# Finished work is recognised and left alone; an interrupted set-up is repaired. The mark is a
# digest of setup.cfg, constraints.txt and the Python version: a change of any installs again.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="${SPEECHMOE_VENV:-${ROOT}/.venv}"
MARK="${VENV}/setup.done"
LOG="${VENV}/setup.log"

# shellcheck source=utils/log.sh
. "${ROOT}/utils/log.sh"
# shellcheck source=utils/parse_options.sh
. "${ROOT}/utils/parse_options.sh"
parse_options "For Linux. Makes the Python environment (.venv, or the folder that SPEECHMOE_VENV names)
with the versions of constraints.txt. The Python is PYTHON where set, else the first working
3.12 or 3.13 found." "$@"

wanted_digest() {
    local version=""
    version="$(grep -E '^version *=' "${VENV}/pyvenv.cfg" 2>/dev/null || true)"
    { cat "${ROOT}/setup.cfg" "${ROOT}/constraints.txt"; echo "${version}"; } | sha256sum
}

is_finished() {
    [ -x "${VENV}/bin/python" ] && [ -x "${VENV}/bin/speechmoe" ] && [ -f "${MARK}" ] &&
        [ "$(wanted_digest)" = "$(cat "${MARK}")" ]
}

# A candidate counts only if it runs (a pyenv shim may not), is 3.12 or 3.13, and can make venvs.
works() {
    "$1" -c 'import ensurepip, sys, venv; sys.exit(not (3, 12) <= sys.version_info[:2] <= (3, 13))' \
        >/dev/null 2>&1
}

candidates() {
    local version
    printf '%s\n' python3.12 python3.13 python3 python
    if command -v pyenv >/dev/null 2>&1; then
        for version in $(pyenv versions --bare 2>/dev/null | grep -E '^3\.1[23]\.' || true); do
            echo "$(pyenv prefix "${version}" 2>/dev/null)/bin/python"
        done
    fi
    if command -v uv >/dev/null 2>&1; then
        uv python find --no-project '>=3.12,<3.14' 2>/dev/null || true
    fi
}

find_python() {
    local candidate
    if [ -n "${PYTHON:-}" ]; then
        works "${PYTHON}" || die "PYTHON=${PYTHON} is not a working Python 3.12 or 3.13 with venv"
        echo "${PYTHON}"
        return
    fi
    while read -r candidate; do
        if works "${candidate}"; then
            echo "${candidate}"
            return
        fi
    done < <(candidates)
    die "found no working Python 3.12 or 3.13 (with venv). Install one, for instance
    Debian, Ubuntu:  apt-get install python3.12 python3.12-venv
    Fedora:          dnf install python3.12
    pyenv:           pyenv install 3.12
    uv:              uv python install 3.12
or name one: PYTHON=/path/to/python3.12 $0"
}

# Requirements of setup.cfg, extras included, one a line.
requirements() {
    "${VENV}/bin/python" - "${ROOT}/setup.cfg" <<'PYTHON'
import configparser
import sys

config = configparser.ConfigParser()
config.read(sys.argv[1], encoding="utf-8")
lines = config["options"]["install_requires"].splitlines()
for extra in config["options.extras_require"].values():
    lines += extra.splitlines()
print("\n".join(line for line in lines if line.strip() and not line.startswith("#")))
PYTHON
}

# Every file that an installed package claims is there: a killed pip leaves gaps.
is_whole() {
    "${VENV}/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import distributions

gaps = []
for package in distributions():
    if package.files is None:
        gaps.append(f"{package.name}: no list of files")
        continue
    missing = [
        str(file)
        for file in package.files
        if not file.name.endswith(".pyc") and not file.locate().exists()
    ]
    if missing:
        gaps.append(f"{package.name}: {missing[0]}")
for gap in gaps:
    print(f"incomplete: {gap}")
sys.exit(bool(gaps))
PYTHON
}

make_venv() {
    local python
    local -a contents
    mapfile -t contents < <(find "${VENV}" -mindepth 1 -maxdepth 1 ! -name 'setup.*')
    if [ "${#contents[@]}" -gt 0 ] && [ ! -f "${VENV}/pyvenv.cfg" ]; then
        die "${VENV} exists and is no Python environment; move it away or set SPEECHMOE_VENV"
    fi
    python="$(find_python)"
    log "making ${VENV} with $("${python}" --version) (${python})"
    if [ "${#contents[@]}" -gt 0 ]; then
        rm -rf "${contents[@]}"
    fi
    "${python}" -m venv "${VENV}"
}

pip_install() {
    "${VENV}/bin/python" -m pip install --progress-bar off --disable-pip-version-check "$@"
}

# Prints a uv that runs: the user's, or else a wheel in the new environment.
find_uv() {
    local uv="${VENV}/bin/uv"
    if uv --version >/dev/null 2>&1; then
        uv=uv
    elif ! "${uv}" --version >/dev/null 2>&1; then
        pip_install --quiet --retries 1 uv >&2 || return 1
    fi
    echo "${uv}"
}

uv_install() {
    local uv
    local -a settings
    uv="$(find_uv)" || return 1
    mapfile -d "" -t settings < <("${VENV}/bin/python" "${ROOT}/utils/uv_settings.py")
    # Compiled as pip does it: where PYTHONDONTWRITEBYTECODE is set, each start would compile anew.
    env "${settings[@]}" "${uv}" pip install --python "${VENV}/bin/python" --compile-bytecode "$@"
}

install() {
    local requirements="${VENV}/requirements.txt"
    local -a wanted=(-r "${requirements}" -c "${ROOT}/constraints.txt")
    requirements >"${requirements}"
    if [ -s "${requirements}" ] && ! uv_install "${wanted[@]}"; then
        log "uv cannot install here (see above): pip does, which takes minutes"
        pip_install "${wanted[@]}"
    fi
    "${VENV}/bin/python" -m pip check
}

# Makes `python -m speechmoe_espnet...` and the command `speechmoe` work from any folder; PYTHONPATH of
# another clone wins.
make_importable() {
    "${VENV}/bin/python" - "${ROOT}" <<'PYTHON'
import sys
import sysconfig
from pathlib import Path

Path(sysconfig.get_path("purelib"), "speechmoe_espnet.pth").write_text(f"{sys.argv[1]}\n")
command = Path(sysconfig.get_path("scripts"), "speechmoe")
command.write_text(
    f'#!/bin/sh\nexec "{sys.executable}" -m speechmoe_espnet "$@"\n', encoding="utf-8"
)
command.chmod(0o755)
PYTHON
}

set_up() {
    if ! works "${VENV}/bin/python" || ! "${VENV}/bin/python" -m pip --version >/dev/null 2>&1; then
        make_venv
    fi
    log "installing packages into ${VENV} (a minute or some; log: ${LOG})"
    install
    if ! is_whole; then
        log "an earlier set-up was interrupted: making ${VENV} anew"
        make_venv
        install
        is_whole
    fi
    make_importable
    wanted_digest >"${MARK}.new"
    mv "${MARK}.new" "${MARK}"
    log "set-up finished: ${VENV}"
}

# One set-up at a time: the lock goes with the process that holds it.
lock() {
    mkdir -p "${VENV}"
    [ -w "${VENV}" ] || die "${VENV} is not up to date and cannot be written: SPEECHMOE_VENV may name another folder"
    if command -v flock >/dev/null 2>&1; then
        exec 9>"${VENV}/setup.lock"
        if ! flock --nonblock 9; then
            log "another set-up of ${VENV} is running; waiting for it"
            flock 9
        fi
        return
    fi
    until mkdir "${VENV}/setup.lock.d" 2>/dev/null; do
        if ! kill -0 "$(cat "${VENV}/setup.lock.d/pid" 2>/dev/null || echo none)" 2>/dev/null; then
            rm -rf "${VENV}/setup.lock.d"
        fi
        sleep 2
    done
    echo "$$" >"${VENV}/setup.lock.d/pid"
    trap 'rm -rf "${VENV}/setup.lock.d"' EXIT
}

if is_finished; then
    exit 0
fi
lock
if is_finished; then
    exit 0
fi
rm -f "${MARK}"
set +e
(
    set -e
    set_up
) 2>&1 | tee "${LOG}" | grep --line-buffered -v 'already satisfied'
status="${PIPESTATUS[0]}"
set -e
if [ "${status}" -ne 0 ]; then
    die "the set-up failed; see ${LOG}. It can be repeated as it is: $0
If no package index could be reached, check the network or pip's settings (pip config list), which uv is given too.
To begin anew, remove ${VENV} first."
fi
