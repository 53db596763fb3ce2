#!/usr/bin/env bash
# All checks that want a GPU, in 14 minutes: tests, layers and encoders against the ceiling, the large preset.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=utils/log.sh
. "${ROOT}/utils/log.sh"
# shellcheck source=utils/parse_options.sh
. "${ROOT}/utils/parse_options.sh"

CHECKS=(tests large_steps experts encoder)
device=cuda
declare_option device "cpu|cuda" "cpu runs the same with small cases: a rehearsal, with five times the time"
output_dir=exp/gpu
declare_option output_dir str "where logs, figures and summary.txt go"
steps=300
declare_option steps int "training steps of the large preset"
only="${CHECKS[*]}"
declare_option only str "checks to run, where a machine allows a command less time than all need"
parse_options "Runs every check that wants a GPU, each in a time of its own (14 minutes together), and says which passed. A check that
fails or takes too long does not stop the others; one that finds no GPU is skipped, which is a failure with --device cuda. The Python is
.venv's where there is one." "$@"
for name in ${only}; do
    [[ " ${CHECKS[*]} " == *" ${name} "* ]] || _option_error "--only: there is no check '${name}'; there are ${CHECKS[*]}"
done
[[ "${only}" == *[![:space:]]* ]] || _option_error "--only names no check; there are ${CHECKS[*]}"

# A machine may have a Python with torch, but neither our environment nor the name `python`.
python=python
if [ ! -x "${SPEECHMOE_VENV:-${ROOT}/.venv}/bin/python" ] && ! command -v python >/dev/null && command -v python3 >/dev/null; then
    python=python3
    export PYTHONPATH="${ROOT}${PYTHONPATH:+:${PYTHONPATH}}" PYTHONUNBUFFERED=1
else
    # shellcheck source=utils/path.sh
    . "${ROOT}/utils/path.sh"
fi
mkdir -p "${output_dir}"
: >"${output_dir}/summary.txt"

small=()
number_type=bfloat16
[ "${device}" = cuda ] || { small=(--quick); number_type=float32; steps=2; }
failed=0

is_skipped() {
    tail -n 1 "$1" | grep -q '^[0-9]* skipped in '
}

check() {
    local name="$1" seconds="$2" begun="${SECONDS}" result=passed
    shift 2
    [[ " ${only//[[:space:]]/ } " == *" ${name} "* ]] || return 0
    # A rehearsal may share its processors.
    [ "${device}" = cuda ] || seconds=$((5 * seconds))
    log "${name} (at most ${seconds} s; log: ${output_dir}/${name}.log)"
    timeout --kill-after=10 "${seconds}" "$@" >"${output_dir}/${name}.log" 2>&1 || { result="FAILED ($?)"; failed=1; }
    if is_skipped "${output_dir}/${name}.log"; then
        result="skipped, there is no GPU"
        [ "${device}" = cpu ] || failed=1
    fi
    echo "${name}: ${result}, $((SECONDS - begun)) s" | tee -a "${output_dir}/summary.txt"
    tail -n 3 "${output_dir}/${name}.log"
}

check tests 150 "${python}" -m pytest -p no:xdist "${ROOT}/tests/unit/moe/test_gpu.py"
check large_steps 210 "${python}" -m benchmarks.large_steps --device "${device}" --dtype "${number_type}" --steps "${steps}" \
    --output_dir "${output_dir}" "${small[@]}"
for name in experts encoder; do
    size=()
    [ "${name}:${device}" != encoder:cuda ] || size=(--large)
    check "${name}" 240 "${python}" -m benchmarks "${name}" --device "${device}" --dtype "${number_type}" \
        --output_dir "${output_dir}" "${small[@]}" "${size[@]}"
done
log "figures and logs are in ${output_dir}"
exit "${failed}"
