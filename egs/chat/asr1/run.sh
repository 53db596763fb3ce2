#!/usr/bin/env bash
# Conversation: dialogue turns over the telephone.
# ./run.sh --help shows the options.
set -euo pipefail

RECIPE_DIR="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
RECIPE_SETS="chat"
RECIPE_CORPORA="synthetic ali_meeting"
SPEECHMOE_PROGRAM="$0"
export RECIPE_DIR RECIPE_SETS RECIPE_CORPORA SPEECHMOE_PROGRAM

exec "${RECIPE_DIR}/../../../utils/recipe.sh" "$@"
