#!/usr/bin/env bash
# Every benchmark, one after the other, and the picture of their ratios.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=utils/log.sh
. "${ROOT}/utils/log.sh"
# shellcheck source=utils/parse_options.sh
. "${ROOT}/utils/parse_options.sh"

device=cpu
declare_option device "cpu|cuda" "cuda measures experts and encoders in bfloat16, at a GPU's size"
output_dir=exp/bench
declare_option output_dir str "where bench_NAME.json, table.txt and ratios.png go"
quick=false
declare_option quick flag "small cases: only shows that it runs"
parse_options "Measures speed and memory side by side (about 30 minutes on two idle cores) and says which bars
are reached. The Python is .venv's where there is one." "$@"

# shellcheck source=utils/path.sh
. "${ROOT}/utils/path.sh"
mkdir -p "${output_dir}"

more=()
[ "${quick}" = false ] || more+=(--quick)
benchmarks=(experts encoder ctc decode graph fbank export)
if [ "${device}" = cuda ]; then
    benchmarks=(experts encoder)
    more+=(--device cuda --dtype bfloat16)
fi

figures=()
: >"${output_dir}/table.txt"
for name in "${benchmarks[@]}"; do
    size=()
    [ "${name}:${device}" != encoder:cuda ] || size=(--large)
    log "bench ${name}"
    python -m benchmarks "${name}" --output_dir "${output_dir}" "${more[@]}" "${size[@]}" |
        tee -a "${output_dir}/table.txt"
    figures+=("${output_dir}/bench_${name}.json")
done
python -m benchmarks picture --input "${figures[@]}" --output "${output_dir}/ratios.png"
log "figures and picture: ${output_dir}"
