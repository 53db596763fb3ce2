#!/usr/bin/env bash
# Your own recordings: the shipped model mandarin-small is fine-tuned on a folder of them, and scored before and after.
# It needs the folder: ./run.sh --corpus-dir DIR, with a .txt beside each recording, a .csv or .tsv, or Kaldi directories.
# ./run.sh --help shows the options.
set -euo pipefail

RECIPE_DIR="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
RECIPE_SETS="read"
RECIPE_CORPORA="folder"
RECIPE_INIT_MODEL="mandarin-small"
SPEECHMOE_PROGRAM="$0"
export RECIPE_DIR RECIPE_SETS RECIPE_CORPORA RECIPE_INIT_MODEL SPEECHMOE_PROGRAM

exec "${RECIPE_DIR}/../../../utils/recipe.sh" "$@"
