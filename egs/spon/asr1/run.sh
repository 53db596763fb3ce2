#!/usr/bin/env bash
# Spontaneous speech: fillers, restarts, rooms, babble and noise.
# ./run.sh --help shows the options.
set -euo pipefail

RECIPE_DIR="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
RECIPE_SETS="spon"
RECIPE_CORPORA="synthetic wenet_speech tal_asr speechio"
SPEECHMOE_PROGRAM="$0"
export RECIPE_DIR RECIPE_SETS RECIPE_CORPORA SPEECHMOE_PROGRAM

exec "${RECIPE_DIR}/../../../utils/recipe.sh" "$@"
