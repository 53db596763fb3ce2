#!/usr/bin/env bash
# Commands, names and places through a high-fidelity microphone.
# ./run.sh --help shows the options.
set -euo pipefail

RECIPE_DIR="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
RECIPE_SETS="aishell2"
RECIPE_CORPORA="synthetic aishell2"
SPEECHMOE_PROGRAM="$0"
export RECIPE_DIR RECIPE_SETS RECIPE_CORPORA SPEECHMOE_PROGRAM

exec "${RECIPE_DIR}/../../../utils/recipe.sh" "$@"
