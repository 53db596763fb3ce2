#!/usr/bin/env bash
# All checks that want a GPU, in 15 minutes: tests, layers and encoders against the ceiling, the large preset.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=utils/log.sh
. "${ROOT}/utils/log.sh"
# shellcheck source=utils/parse_options.sh
. "${ROOT}/utils/parse_options.sh"

device=cuda
declare_option device "cpu|cuda" "cpu runs the same with small cases: a rehearsal"
output_dir=exp/gpu
declare_option output_dir str "where logs, figures and summary.txt go"
steps=300
declare_option steps int "training steps of the large preset"
parse_options "Runs every check that wants a GPU, each in a time of its own (14 minutes together), and says which passed. A check that
fails or takes too long does not stop the others. The Python is .venv's where there is one." "$@"

# shellcheck source=utils/path.sh
. "${ROOT}/utils/path.sh"
mkdir -p "${output_dir}"
: >"${output_dir}/summary.txt"

small=()
number_type=bfloat16
[ "${device}" = cuda ] || { small=(--quick); number_type=float32; steps=2; }
failed=0

check() {
    local name="$1" seconds="$2" begun="${SECONDS}" result=passed
    shift 2
    log "${name} (at most ${seconds} s; log: ${output_dir}/${name}.log)"
    timeout --kill-after=10 "${seconds}" "$@" >"${output_dir}/${name}.log" 2>&1 || { result="FAILED ($?)"; failed=1; }
    echo "${name}: ${result}, $((SECONDS - begun)) s" | tee -a "${output_dir}/summary.txt"
    tail -n 3 "${output_dir}/${name}.log"
}

check tests 150 python -m pytest -q -p no:xdist "${ROOT}/tests/unit/moe/test_gpu.py"
check large_steps 210 python -m benchmarks.large_steps --device "${device}" --dtype "${number_type}" --steps "${steps}" \
    --output_dir "${output_dir}" "${small[@]}"
for name in experts encoder; do
    size=()
    [ "${name}:${device}" != encoder:cuda ] || size=(--large)
    check "${name}" 240 python -m benchmarks "${name}" --device "${device}" --dtype "${number_type}" \
        --output_dir "${output_dir}" "${small[@]}" "${size[@]}"
done
exit "${failed}"
