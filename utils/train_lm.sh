#!/usr/bin/env bash
# A neural language model over characters: its data in OUT/data, then ESPnet's training in OUT,
# which takes up where a killed one stopped.
#
#     utils/train_lm.sh OUT DEV_TEXT TRAIN_TEXT... -- ARGUMENTS OF train_processes lm_train (--config among them)
#
# Files named `text` are Kaldi's, with ids; others are plain, one sentence per line.
set -euo pipefail

if [[ " $* " != *" -- "* ]] || [ "$#" -lt 5 ] || [ "$2" = -- ] || [ "$3" = -- ]; then
    echo "train_lm: error: usage: train_lm.sh OUT DEV_TEXT TRAIN_TEXT... -- ARGUMENTS OF lm_train" >&2
    exit 2
fi
out="$1"
dev_text="$2"
shift 2
train_texts=()
while [ "$1" != -- ]; do
    train_texts+=("$1")
    shift
done
shift

python -m speechmoe_espnet.bin.make_lm_data --train_texts "${train_texts[@]}" \
    --dev_text "${dev_text}" --output_dir "${out}/data"
args=(--use_preprocessor true --token_type char --token_list "${out}/data/tokens.txt")
for name in train valid; do
    set_dir="${out}/data/${name/valid/dev}"
    args+=("--${name}_data_path_and_name_and_type" "${set_dir}/text,text,text")
    args+=("--${name}_shape_file" "${set_dir}/text_shape")
done
exec python -m speechmoe_espnet.bin.train_processes lm_train --output_dir "${out}" "${args[@]}" \
    --use_tensorboard false --resume true "$@"
