#!/usr/bin/env bash
# Every check: lint, types, shell, unit tests, tests of the scripts, tests of whole recipes.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "${ROOT}"
# shellcheck source=utils/log.sh
. utils/log.sh
# shellcheck source=utils/parse_options.sh
. utils/parse_options.sh

lint_only=false
declare_option lint_only flag "ruff, mypy and shellcheck only"
unit_only=false
declare_option unit_only flag "unit tests only"
shell_only=false
declare_option shell_only flag "tests of the scripts only"
integration_only=false
declare_option integration_only flag "tests of whole recipes only"
slow=false
declare_option slow flag "the slow set only, which the default command leaves out: hours"
nj="$(nproc)"
[ "${nj}" -le 4 ] || nj=4
declare_option nj int "test processes side by side, each with PyTorch and ESPnet in its memory"
parse_options "Sets up .venv when needed and runs every check; about 20 minutes on two idle cores." "$@"

utils/setup.sh
# shellcheck source=utils/path.sh
. utils/path.sh
# Two cores and many small models: threads would only stand in each other's way.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" MKL_NUM_THREADS="${MKL_NUM_THREADS:-1}"

only=false
for flag in "${lint_only}" "${unit_only}" "${shell_only}" "${integration_only}" "${slow}"; do
    [ "${flag}" = false ] || only=true
done

failed=()

# check NAME COMMAND...: runs it, prints how long it took, remembers whether it failed.
check() {
    local name="$1" begun="${SECONDS}" outcome=passed
    shift
    log "${name}: $*"
    if ! "$@"; then
        outcome=FAILED
        failed+=("${name}")
    fi
    log "${name}: ${outcome} in $((SECONDS - begun)) s"
}

wants() {
    [ "${only}" = false ] || [ "$1" = true ]
}

if wants "${lint_only}"; then
    mapfile -t scripts < <(git ls-files '*.sh' '*.sbatch' .ci/run)
    check "ruff check" ruff check
    check "ruff format" ruff format --check
    check "mypy" mypy
    check "shellcheck" shellcheck --external-sources "${scripts[@]}"
fi
if wants "${unit_only}"; then
    check "unit tests" python -m pytest tests/unit --durations 10 --numprocesses "${nj}"
fi
if wants "${shell_only}"; then
    check "shell tests" python -m pytest tests/shell --durations 5
fi
if wants "${integration_only}"; then
    check "integration tests" python -m pytest tests/integration --durations 10 \
        --numprocesses "${nj}" --dist loadfile
fi
if [ "${slow}" = true ]; then
    check "slow tests" python -m pytest tests/slow --durations 10 --numprocesses "${nj}" --dist loadfile
fi

if [ "${#failed[@]}" -gt 0 ]; then
    die "failed after ${SECONDS} s: ${failed[*]}"
fi
log "all passed in ${SECONDS} s"
