#!/usr/bin/env bash
# Stage 4: ESPnet's statistics (shapes, mean and variance), with the number of units added to
# the text shapes, as ESPnet's batch samplers want it.
#
#     utils/collect_stats.sh OUT TOKEN_LIST TRAIN_SCP DEV_SCP --nj NJ -- ARGUMENTS OF asr_train
#
# ESPnet reads every utterance in one process; here one process does a part, NJ at a time. How many
# parts there are depends on the data alone, so that any NJ gives the same bytes.
set -euo pipefail

UTTERANCES_A_PART="${UTTERANCES_A_PART:-24000}"

out="$1"
token_list="$2"
train_scp="$3"
dev_scp="$4"
nj="$6"
shift 7

parts_dir="${out}/parts"
mkdir -p "${parts_dir}"
num_train="$(wc -l <"${train_scp}")"
num_dev="$(wc -l <"${dev_scp}")"
num_parts=$(((num_train + UTTERANCES_A_PART - 1) / UTTERANCES_A_PART))
[ "${num_parts}" -le "${num_dev}" ] || num_parts="${num_dev}" # none may be without

# Into consecutive parts of equal size, give or take one: NAME.0, NAME.1, ...
cut_in_parts() {
    awk -v lines="$3" -v parts="${num_parts}" -v name="$2" \
        '{ print > (name "." int((NR - 1) * parts / lines)) }' "$1"
}
if [ "${num_parts}" -eq 0 ]; then
    echo "collect_stats: error: no utterances in ${train_scp} or ${dev_scp}" >&2
    exit 1
fi
cut_in_parts "${train_scp}" "${parts_dir}/train" "${num_train}"
cut_in_parts "${dev_scp}" "${parts_dir}/valid" "${num_dev}"

export OMP_NUM_THREADS=1
collected=()
for ((first = 0; first < num_parts; first += nj)); do
    works=()
    for ((part = first; part < first + nj && part < num_parts; part++)); do
        collected+=(--input_dir "${parts_dir}/${part}")
        works+=(${works[0]:+--and} python -m speechmoe_espnet.bin.asr_train --collect_stats true
            "$@" --ngpu 0 --output_dir "${parts_dir}/${part}"
            --train_shape_file "${parts_dir}/train.${part}" --valid_shape_file "${parts_dir}/valid.${part}")
    done
    # Through side_by_side, so that they end with this script even where that is killed.
    python -m speechmoe_espnet.bin.side_by_side -- "${works[@]}"
done
python -m espnet2.bin.aggregate_stats_dirs "${collected[@]}" --output_dir "${out}"
rm -r "${parts_dir}"

num_units="$(wc -l <"${token_list}")"
for set in train valid; do
    sed "s/\$/,${num_units}/" "${out}/${set}/text_shape" >"${out}/${set}/text_shape.units"
done
