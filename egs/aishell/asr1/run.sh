#!/usr/bin/env bash
# AISHELL-1: 178 hours of read speech of 400 people, the usual benchmark of Mandarin recognisers.
# It needs the corpus: ./run.sh --corpus-dir DIR, where DIR holds data_aishell. Without it, --corpus synthetic shows
# that all works.
# ./run.sh --help shows the options.
set -euo pipefail

RECIPE_DIR="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
RECIPE_SETS="read"
RECIPE_CORPORA="aishell synthetic"
SPEECHMOE_PROGRAM="$0"
export RECIPE_DIR RECIPE_SETS RECIPE_CORPORA SPEECHMOE_PROGRAM

exec "${RECIPE_DIR}/../../../utils/recipe.sh" "$@"
