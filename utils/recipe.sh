#!/usr/bin/env bash
# The one driver behind every egs/*/asr1/run.sh: stages 1 to 13, from a corpus to a report and a packed model.
#
# Options are declared in recipe_options.sh; what follows from them (which stages run, names of
# directories, arguments that depend on several options) comes from `python -m speechmoe_espnet.bin.plan`. Each
# stage goes through speechmoe_espnet.bin.stage: it runs when its inputs or its command changed, and
# a failed or killed stage leaves what was there before.
# shellcheck disable=SC2154
set -euo pipefail

# Bash reads a script as it runs; in braces it is read whole, and may be updated meanwhile.
{
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=utils/log.sh
. "${ROOT}/utils/log.sh"
# shellcheck source=utils/path.sh
. "${ROOT}/utils/path.sh"
# shellcheck source=utils/parse_options.sh
. "${ROOT}/utils/parse_options.sh"
# shellcheck source=utils/plan.sh
. "${ROOT}/utils/plan.sh"
# shellcheck source=utils/recipe_options.sh
. "${ROOT}/utils/recipe_options.sh"

[ -n "${RECIPE_DIR:-}" ] || die "RECIPE_DIR is not set; start this through egs/*/asr1/run.sh"
read -r -d '' -a recipe_sets <<<"${RECIPE_SETS:-}" || true
option_words words
options_given given
read_plan recipe --root "${ROOT}" --recipe_dir "${RECIPE_DIR}" --sets "${recipe_sets[@]}" \
    --given "${given[@]}" -- "${words[@]}"
export -n SPEECHMOE_PROGRAM
[ "${num_threads}" -eq 0 ] || export OMP_NUM_THREADS="${num_threads}" MKL_NUM_THREADS="${num_threads}"
accepted=()
[ "${accept_changes}" = false ] || accepted=(--accept_changes)
cd "${RECIPE_DIR}"
[ -z "${times}" ] || [ "${SPEECHMOE_TIMES_TOLD:-}" = true ] || log "${times}"

runs() {
    [[ " ${stages[*]} " == *" $1 "* ]]
}

# One stage's work: run_stage NUMBER TARGET [options of the stage command] -- COMMAND
run_stage() {
    python -m speechmoe_espnet.bin.stage --name "stage $1" --target "$2" "${hints[@]}" "${accepted[@]}" "${@:3}"
}

# A training, with its progress on the screen and its output in the log of its directory.
run_training() {
    python -m speechmoe_espnet.bin.watch_training --name "${2##*/}" --log "$2/train.log" -- \
        python -m speechmoe_espnet.bin.stage --name "stage $1" --target "$2" "${hints[@]}" "${accepted[@]}" \
        --in_place --checkpoint checkpoint.pth --may_grow max_epoch --ignore=--use_tensorboard= --quiet --log "$2/train.log" "${@:3}"
}

# What --skip-bad left out of every set, as `set utterance reason`.
list_left_out() {
    local set
    for set in "${feature_sets[@]}"; do
        sed "s|^|${set} |" "${dump}/${set}/left_out"
    done >"${skip_bad}"
    log "left out: $(wc -l <"${skip_bad}") utterances, listed in ${skip_bad}"
}

# decode NUMBER TARGET CONFIG SET... -- [options of the decode command]
decode() {
    local number="$1" target="$2" config="$3" data_dirs=()
    shift 3
    while [ "$1" != -- ]; do
        data_dirs+=("${dump}/$1")
        shift
    done
    shift
    run_stage "${number}" "${target}" --input "${model}" "${config}" "${data_dirs[@]}" "${search_inputs[@]}" \
        "${tuned[@]}" --log "${logs}/${expname}_${target##*/}.log" -- \
        python -m speechmoe_espnet.bin.decode --model_dir "${model}" --model_file "${inference_model}" \
        --config "${config}" --data_dirs "${data_dirs[@]}" "${search_args[@]}" "$@" \
        "${processes[@]}" --output_dir "{out}"
}

if runs 1; then
    log "stage 1: data preparation (${corpus})"
    run_stage 1 "${data}" --input "${corpus_inputs[@]}" --log "${logs}/prepare_corpus.log" -- \
        python -m speechmoe_espnet.bin.prepare_corpus --corpus "${corpus}" "${corpus_args[@]}" \
        "${workers[@]}" "${path_args[@]}" --output_dir "{out}" --final_dir "{final}"
fi

if runs 1 && [ -n "${start}" ]; then
    log "stage 1: the model that training starts from (${start_model})"
    run_stage 1 "${start}" --input "${start_inputs[@]}" --log "${logs}/unpack_${start##*/}.log" -- \
        python -m speechmoe_espnet.bin.unpack --model "${start_model}" --output_dir "{out}"
fi

if runs 2; then
    for set in "${feature_sets[@]}"; do
        log "stage 2: features of ${set}${converts}"
        run_stage 2 "${dump}/${set}" --input "${data}" "${fbank_config}" \
            --log "${logs}/extract_features_${set}.log" -- \
            python -m speechmoe_espnet.bin.extract_features --data_dir "${data}/${set}" \
            --config "${fbank_config}" "${feature_args[@]}" --faults "${logs}/faults_${set}.txt" "${workers[@]}" \
            "${path_args[@]}" "${text_args[@]}" --output_dir "{out}" --final_dir "{final}"
    done
    [ -z "${skip_bad}" ] || list_left_out
fi

if runs 3; then
    log "stage 3: units (${token_type})"
    run_stage 3 "${units}" --input "${unit_inputs[@]}" --log "${logs}/make_${units##*/}.log" -- \
        python -m speechmoe_espnet.bin.make_units --token_type "${token_type}" \
        --train_dir "${dump}/train" "${unit_args[@]}" --output_dir "{out}"
fi

if runs 4; then
    log "stage 4: statistics"
    run_stage 4 "${stats}" --input "${data_inputs[@]}" --log "${logs}/collect_${stats##*/}.log" -- \
        python -m speechmoe_espnet.bin.collect_stats --train_dir "${dump}/train" --dev_dir "${dump}/dev" \
        --units_dir "${units}" --token_type "${token_type}" "${workers[@]}" --output_dir "{out}"
fi

if runs 5; then
    log "stage 5: training of ${expname} (log: ${exp}/train.log)"
    run_training 5 "${exp}" --input "${training_inputs[@]}" "${asr_config}" -- \
        ../../../utils/train.sh "{out}" "${fbank_config}" -- --config "${asr_config}" "${data_args[@]}" \
        "${normalize_args[@]}" --use_tensorboard false --num_att_plot 0 --resume true --ngpu "${ngpu}" \
        --num_processes "${num_processes}" --num_nodes "${num_nodes}" "${training_args[@]}"
fi

if runs 6; then
    log "stage 6: n-gram of order ${lm_order} (${lm_level}s)"
    run_stage 6 "${ngram}" --input "${ngram_inputs[@]}" "${dump}/dev/text" --log "${logs}/train_${ngram##*/}.log" -- \
        python -m speechmoe_espnet.bin.train_ngram --level "${lm_level}" --order "${lm_order}" \
        --texts "${lm_texts[@]}" --dev_text "${dump}/dev/text" "${ngram_args[@]}" "${simplify_args[@]}" \
        --output_dir "{out}"
fi

if runs 6 && [ "${has_lexicon}" = true ]; then
    log "stage 6: lexicon of ${token_type}"
    run_stage 6 "${lexicon}" --input "${ngram}" "${units}/tokens.txt" "${lm_texts[@]}" \
        --log "${logs}/make_${lexicon##*/}.log" -- \
        python -m speechmoe_espnet.bin.make_lexicon --token_type "${token_type}" --words "${ngram}/vocab" \
        --texts "${lm_texts[@]}" --token_list "${units}/tokens.txt" "${simplify_args[@]}" --output_dir "{out}"
fi

if runs 7; then
    log "stage 7: decoding graph"
    run_stage 7 "${graph}" --input "${lexicon}" "${ngram}" "${units}/tokens.txt" --log "${logs}/make_${graph##*/}.log" -- \
        python -m speechmoe_espnet.bin.make_graph --lexicon "${lexicon}/lexicon.txt" \
        --arpa "${ngram}/lm_pruned.arpa" --order "${lm_order}" --token_list "${units}/tokens.txt" \
        --output_dir "{out}"
fi

tuned=()
if runs 8; then
    log "stage 8: n-best lists of dev with ${model}"
    decode 8 "${tune_dir}/nbest" "${tune_config}" dev --
    log "stage 8: language model weight and insertion bonus"
    run_stage 8 "${tune_dir}/weights" --input "${tune_dir}/nbest" "${dump}/dev/text" \
        --log "${logs}/${expname}_${tune_dir##*/}.log" -- \
        python -m speechmoe_espnet.bin.tune --decode_dir "${tune_dir}/nbest/dev" --data_dir "${dump}/dev" \
        --lm_weights 0.1:1.5:0.1 --output_dir "{out}" # a search takes no weight of 0
fi

if [ "${#before_args[@]}" -gt 0 ]; then
    log "${start}: decoding and scoring before training"
    "${ROOT}/utils/recipe.sh" "${before_args[@]}"
fi

if runs 9; then
    log "stage 9: decoding with ${model}"
    tuned=("${tuning[@]}")
    decode 9 "${decode_dir}" "${decode_config}" "${sets[@]}" -- "${tuning_args[@]}"
fi

if runs 10; then
    [ -d "${tune_dir}/nbest" ] || die "stage 10 needs n-best lists of dev; the same command with --stage ${lists_begin_with} makes them"
    log "stage 10: neural language model (log: ${neural_lm}/train.log)"
    run_training 10 "${neural_lm}" --input "${lm_texts[@]}" "${dump}/dev/text" "${lm_config}" -- \
        ../../../utils/train_lm.sh "{out}" "${dump}/dev/text" "${lm_texts[@]}" "${simplify_args[@]}" -- \
        --config "${lm_config}" --seed "${seed}" --ngpu "${ngpu}" --num_processes "${num_processes}" \
        --num_nodes "${num_nodes}"
    log "stage 10: weights of both language models on dev"
    rescore=(python -m speechmoe_espnet.bin.rescore --lm_dir "${neural_lm}" "${rescoring_args[@]}" --output_dir "{out}")
    run_stage 10 "${tune_dir}/nbest_rescored" --input "${tune_dir}/nbest" "${neural_lm}" \
        --log "${logs}/${expname}_nbest_rescored.log" -- "${rescore[@]}" --decode_dir "${tune_dir}/nbest" \
        --sets dev --nn_lm_weight 0.3 --dev_text "${dump}/dev/text"
    run_stage 10 "${tune_dir}/weights_rescored" --input "${tune_dir}/nbest_rescored" "${dump}/dev/text" \
        --log "${logs}/${expname}_${tune_dir##*/}_rescored.log" -- \
        python -m speechmoe_espnet.bin.tune --decode_dir "${tune_dir}/nbest_rescored/dev" \
        --data_dir "${dump}/dev" --nn_lm_weights 0:1.2:0.1 --output_dir "{out}"
    log "stage 10: rescoring"
    weights="${tune_dir}/weights_rescored/tuning.json"
    run_stage 10 "${rescored}" --input "${decode_dir}" "${neural_lm}" "${weights}" \
        --log "${logs}/${expname}_${rescored##*/}.log" -- "${rescore[@]}" --decode_dir "${decode_dir}" \
        --sets "${sets[@]}" --tuning "${weights}"
fi

if runs 11; then
    for i in "${!score_sets[@]}"; do
        set="${score_sets[i]}"
        log "stage 11: scoring of ${set} (${score_metrics[i]})"
        run_stage 11 "${score_targets[i]}" --input "${score_references[i]}/text" "${dump}/${set}/utt2spk" \
            "${scored_dir}/${set}/${score_hypotheses[i]}" --log "${logs}/score_${expname}_${set}_${score_metrics[i]}.log" -- \
            python -m speechmoe_espnet.bin.score --ref_dir "${score_references[i]}" \
            --utt2spk "${dump}/${set}/utt2spk" --hyp_dir "${scored_dir}/${set}" \
            --hyp_name "${score_hypotheses[i]}" --metric "${score_metrics[i]}" --output_dir "{out}"
    done
fi

if runs 12; then
    log "stage 12: report"
    run_stage 12 "${exp}/report" --input "${exp}" "${scored_dir}" "${score_targets[@]}" "${report_inputs[@]}" \
        --log "${logs}/report_${expname}.log" -- \
        python -m speechmoe_espnet.bin.report "${report_systems[@]}" --corpus "${corpus}" --seed "${seed}" \
        --decode "${scored_dir##*/decode_}" --sets "${sets[@]}" --audio_dir "${data}" --feature_dir "${dump}" \
        "${report_args[@]}" --output_dir "{out}"
fi

if runs 13; then
    log "stage 13: packed model"
    run_stage 13 "${exp}/pack" --input "${exp}" "${scored_dir}" "${score_targets[@]}" "${search_inputs[@]}" "${tuning[@]}" \
        --log "${logs}/pack_${expname}.log" -- \
        python -m speechmoe_espnet.bin.pack --model_dir "${exp}" --model_file "${inference_model}" \
        --name "${expname}" --corpus "${corpus}" --decode_dirs "${scored_dir}" "${pack_args[@]}" \
        --licence "${licence:-not stated}" --output_dir "{out}"
fi

exit
}
