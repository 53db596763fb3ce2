#!/usr/bin/env bash
# One model on all training sets, four evaluations: the protocol of the SpeechMoE paper.
#
# Choices of this recipe; options given on the command line come after these and win.
# ./run.sh --help shows them all.
set -euo pipefail

RECIPE_DIR="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
SPEECHMOE_PROGRAM="$0"
RECIPE_SETS="read chat spon aishell2"
export RECIPE_DIR RECIPE_SETS SPEECHMOE_PROGRAM

exec "${RECIPE_DIR}/../../../utils/recipe.sh" \
    --token-type syllable_phone \
    --asr-config conf/train_speechmoe.yaml \
    --decode-config conf/decode_wfst.yaml \
    "$@"
