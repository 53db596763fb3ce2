#!/usr/bin/env bash
# Stage 4: ESPnet's statistics (shapes, mean and variance), with the number of units added to
# the text shapes, as ESPnet's batch samplers want it.
#
#     utils/collect_stats.sh OUT TOKEN_LIST -- ARGUMENTS OF asr_train
set -euo pipefail

out="$1"
token_list="$2"
shift 3

# Through side_by_side, so that it ends with this script even where that is killed.
python -m speechmoe_espnet.bin.side_by_side -- \
    python -m speechmoe_espnet.bin.asr_train --collect_stats true --output_dir "${out}" "$@"

rm "${out}/config.yaml" # names the temporary directory: the same data must give the same bytes
num_units="$(wc -l <"${token_list}")"
for set in train valid; do
    sed "s/\$/,${num_units}/" "${out}/${set}/text_shape" >"${out}/${set}/text_shape.units"
    if [ ! -s "${out}/${set}/text_shape.units" ]; then
        echo "collect_stats: error: no utterances in ${out}/${set}/text_shape" >&2
        exit 1
    fi
done
