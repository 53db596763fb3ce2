#!/usr/bin/env bash
# Read speech: news sentences, clean.
# ./run.sh --help shows the options.
set -euo pipefail

RECIPE_DIR="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
RECIPE_SETS="read"
RECIPE_CORPORA="synthetic thchs_30 aishell primewords stcmds aidatatang_200zh magicdata kespeech commonvoice"
SPEECHMOE_PROGRAM="$0"
export RECIPE_DIR RECIPE_SETS RECIPE_CORPORA SPEECHMOE_PROGRAM

exec "${RECIPE_DIR}/../../../utils/recipe.sh" "$@"
