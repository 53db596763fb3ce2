#!/usr/bin/env bash
# Stage 5: a training, with the settings of its features beside its configuration: whoever loads
# the model for recordings needs them.
#
#     utils/train.sh EXPERIMENT FBANK_CONFIG -- ARGUMENTS OF train_processes asr_train
set -euo pipefail

experiment="$1"
fbank_config="$2"
shift 3

cp "${fbank_config}" "${experiment}/fbank.yaml"
exec python -m speechmoe_espnet.bin.train_processes asr_train --output_dir "${experiment}" "$@"
