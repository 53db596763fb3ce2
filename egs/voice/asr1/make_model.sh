#!/usr/bin/env bash
# Makes mandarin-small and its dense baseline: speech, training set, trainings, graph, packed models.
# ./make_model.sh --help shows the options.
# shellcheck disable=SC2154
set -euo pipefail

# Bash reads a script as it runs; in braces it is read whole, and may be updated meanwhile.
{
RECIPE_DIR="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
ROOT="$(cd "${RECIPE_DIR}/../../.." && pwd)"
# shellcheck source=utils/log.sh
. "${ROOT}/utils/log.sh"
# shellcheck source=utils/path.sh
. "${ROOT}/utils/path.sh"
# shellcheck source=utils/parse_options.sh
. "${ROOT}/utils/parse_options.sh"

stage=1
declare_option stage int "first stage to run: 1 natural voices, 2 formant synthesiser, 3 training set, 4 features,
        units and statistics, 5 trainings, 6 graph, decoding and report, 7 packed models"
stop_stage=7
declare_option stop_stage int "last stage to run"
texts=""
declare_option texts str "text files that the natural voices say, one sentence a line, separated by spaces"
lm_texts=""
declare_option lm_texts str "text files of the language model; none: --texts"
num_natural=10000
declare_option num_natural int "utterances of natural voices, of 2.5 seconds on average"
num_formant=4000
declare_option num_formant int "utterances of the formant synthesiser in each of its two styles"
real=""
declare_option real str "real speech to train on: NAME=DIR or NAME=DIR*COPIES of Kaldi directories, separated by spaces"
dev_dir=""
declare_option dev_dir dir "Kaldi directory of people to choose the checkpoint and the weights of the search by"
test_dir=""
declare_option test_dir dir "Kaldi directory to report on; none: --dev-dir"
voices_dir=voices/kokoro_fast
declare_option voices_dir str "natural voices (speechmoe fetch_voices --fast makes them), or voices/kokoro"
natural_dir=natural
declare_option natural_dir str "Kaldi directory that the natural voices fill"
natural_copies=1
declare_option natural_copies int "how often the training set has the natural voices"
nj=2
declare_option nj int "processes for speech and features"
asr_args=""
declare_option asr_args str "more arguments for both trainings"
lm_prune=1e-6
declare_option lm_prune str "relative growth of perplexity below which an n-gram is pruned; the package has room for 2 MB"
licence=Apache-2.0
declare_option licence str "licence of the packed models"
parse_options "Trains mandarin-small and its dense baseline, and packs them for the package. The same command goes on
where it stopped. Relative paths start in this recipe." "$@"

cd "${RECIPE_DIR}"
[ -n "${dev_dir}" ] || die "--dev-dir is needed: people to choose the checkpoint by"
[ -n "${texts}" ] || die "--texts is needed: what the natural voices say"
[ -n "${lm_texts}" ] || lm_texts="${texts}"
[ -n "${test_dir}" ] || test_dir="${dev_dir}"
read -r -d '' -a text_files <<<"${texts}" || true
read -r -d '' -a real_sources <<<"${real}" || true
export RECIPE_DIR RECIPE_SETS="read" RECIPE_CORPORA="kaldi" SPEECHMOE_PROGRAM="$0"

runs() {
    [ "${stage}" -le "$1" ] && [ "${stop_stage}" -ge "$1" ]
}

# Prints the only directory of its arguments. Other texts of the language model leave files of other names.
only() {
    [ "$#" -eq 1 ] || die "which of these shall be packed? Remove the others: $*"
    echo "$1"
}

# Sets `recipe` to the command of some stages of one system: recipe_of SYSTEM FIRST LAST.
recipe_of() {
    recipe=("${ROOT}/utils/recipe.sh" --corpus kaldi --corpus-dir corpus --corpus-name voice --search wfst
        --expname "$1" --fbank-config conf/fbank_80.yaml --asr-config "conf/train_voice_$1.yaml" --asr-args "${asr_args}" --lm-text "${lm_texts}"
        --lm-transcripts false --lm-order 4 --lm-prune "${lm_prune}" --num-threads 1 --nj "${nj}"
        --stage "$2" --stop-stage "$3")
}

if runs 1; then
    log "stage 1: natural voices say ${num_natural} sentences"
    python -m speechmoe_espnet.bin.make_speech --voices_dir "${voices_dir}" --texts "${text_files[@]}" \
        --base_voices all --num_utts "${num_natural}" --nj "${nj}" --output_dir "${natural_dir}"
fi

if runs 2; then
    log "stage 2: the formant synthesiser says ${num_formant} sentences of each of two styles"
    python -m speechmoe_espnet.bin.stage --name "stage 2" --target formant -- \
        python -m speechmoe_espnet.bin.prepare_corpus --corpus synthetic --sets chat aishell2 \
        --train_utts "${num_formant}" --nj "${nj}" --output_dir "{out}" --final_dir "{final}"
fi

if runs 3; then
    log "stage 3: training set"
    combine=(python -m speechmoe_espnet.bin.combine_data)
    "${combine[@]}" "natural=${natural_dir}*${natural_copies}" formant=formant/train "${real_sources[@]}" --output_dir corpus/train
    "${combine[@]}" "dev=${dev_dir}" --output_dir corpus/dev
    "${combine[@]}" "test=${test_dir}" --output_dir corpus/test
fi

if runs 4; then
    recipe_of speechmoe 1 4
    "${recipe[@]}"
fi

if runs 5; then
    log "stage 5: both trainings, side by side"
    recipe_of speechmoe 5 5
    both=("${recipe[@]}" --and)
    recipe_of static 5 5
    python -m speechmoe_espnet.bin.side_by_side -- "${both[@]}" "${recipe[@]}"
fi

if runs 6; then
    for system in speechmoe static; do
        recipe_of "${system}" 6 12
        "${recipe[@]}"
    done
fi

if runs 7; then
    log "stage 7: packed models in packed/"
    for system in speechmoe static; do
        name=mandarin-small
        [ "${system}" = speechmoe ] || name=mandarin-small-dense
        decoded="$(only "exp/voice/${system}"/decode_wfst*)"
        graph="$(only lang/voice/graph_*)"
        tuned="$(only "exp/voice/${system}"/tune_wfst*)"
        rm -rf "packed/${name}.zip" "packed/${name}"
        python -m speechmoe_espnet.bin.pack --model_dir "exp/voice/${system}" --name "${name}" --output_dir packed \
            --decode_dirs "${decoded}" --graph_dir "${graph}" --decode_config "${ROOT}/conf/decode_wfst.yaml" \
            --tuning "${tuned}/weights/tuning.json" --compact \
            --licence "${licence}" --data "$(tr "\n" " " <model_data.md)"
    done
fi

exit
}
