#!/usr/bin/env bash
# Stages 6 to 10 of a recipe: language model, lexicon, graph, tuning, decoding, rescoring.
# Sourced by recipe.sh, whose variables and functions it uses.
# shellcheck disable=SC2154

# The synthetic corpus' own text holds the training transcripts already. Counted twice, hardly any n-gram
# occurs once, and that is what Kneser-Ney smoothing estimates the unseen from.
lm_inputs=("${dump}/train/text" "${lm_texts[@]}")
[ "${corpus}" != synthetic ] || lm_inputs=("${lm_texts[@]}" "${data}/lm_text")
lm_hints=(--hint "$(made_by "${dump}/train/text" 2)" --hint "$(made_by "${dump}/dev/text" 2)"
    --hint "$(made_by "${data}/lm_text" 1)")
if runs 6; then
    log "stage 6: n-gram of order ${lm_order} (${lm_level}s)"
    run_stage "stage 6" "${ngram}" --input "${lm_inputs[@]}" "${dump}/dev/text" "${lm_hints[@]}" \
        --log "${logs}/train_ngram_${lm_level}.log" -- \
        python -m speechmoe_espnet.bin.train_ngram --level "${lm_level}" --order "${lm_order}" \
        --texts "${lm_inputs[@]}" --dev_text "${dump}/dev/text" \
        ${lm_prune:+--prune_threshold "${lm_prune}"} --output_dir "{out}"
    if [ "${search_needs}" = graph ]; then
        log "stage 6: lexicon of ${token_type}"
        run_stage "stage 6" "${lexicon}" --input "${ngram}" "${units}/tokens.txt" "${lm_inputs[@]}" \
            "${lm_hints[@]}" --hint "$(made_by "${units}/tokens.txt" 3)" \
            --log "${logs}/make_lexicon_${token_type}.log" -- \
            python -m speechmoe_espnet.bin.make_lexicon --token_type "${token_type}" \
            --words "${ngram}/vocab" --texts "${lm_inputs[@]}" \
            --token_list "${units}/tokens.txt" --output_dir "{out}"
    fi
fi

search_options=()
search_inputs=()
search_hints=()
case "${search_needs}" in
    graph)
        search_options=(--graph_dir "${graph}")
        search_inputs=("${graph}")
        search_hints=(--hint "$(made_by "${graph}" 7)")
        ;;
    ngram)
        search_options=(--ngram "${ngram}/lm_pruned.arpa")
        search_inputs=("${ngram}")
        search_hints=(--hint "$(made_by "${ngram}" 6)")
        ;;
esac

if runs 7; then
    log "stage 7: decoding graph"
    run_stage "stage 7" "${graph}" --input "${lexicon}" "${ngram}" "${units}/tokens.txt" \
        --hint "$(made_by "${lexicon}" 6)" --hint "$(made_by "${ngram}" 6)" \
        --hint "$(made_by "${units}/tokens.txt" 3)" --log "${logs}/make_graph_${token_type}.log" -- \
        python -m speechmoe_espnet.bin.make_graph --lexicon "${lexicon}/lexicon.txt" \
        --arpa "${ngram}/lm_pruned.arpa" --order "${lm_order}" --token_list "${units}/tokens.txt" \
        --output_dir "{out}"
fi

model="${model_dir:-${exp}}"
model_hints=(--hint "$(made_by "${exp}" 5)")
[ -z "${model_dir}" ] ||
    model_hints=(--hint "${model}=--model-dir wants a finished experiment (stage 5 of its recipe)")
# One process uses the GPU.
processes=(--nj "${nj}" --ngpu 0)
[ "${ngpu}" -eq 0 ] || processes=(--nj 1 --ngpu 1)

# decode NAME TARGET CONFIG SET...: decodes sets with what --decode-config searches with, by the
# weights in ${tuning} where that is set.
tuning=""
decode() {
    local name="$1" target="$2" config="$3" set
    local data_dirs=() hints=("${model_hints[@]}" "${search_hints[@]}") inputs=("${search_inputs[@]}")
    shift 3
    local options=("${search_options[@]}")
    for set in "$@"; do
        data_dirs+=("${dump}/${set}")
        hints+=(--hint "$(made_by "${dump}/${set}" 2)")
    done
    if [ -n "${tuning}" ]; then
        options+=(--tuning "${tuning}")
        inputs+=("${tuning}")
        hints+=(--hint "$(made_by "${tuning}" 8)")
    fi
    run_stage "${name}" "${target}" --input "${model}" "${config}" "${data_dirs[@]}" "${inputs[@]}" "${hints[@]}" \
        --log "${logs}/${expname}_$(basename "${target}").log" -- \
        python -m speechmoe_espnet.bin.decode --model_dir "${model}" \
        --model_file "${inference_model}" --config "${config}" --data_dirs "${data_dirs[@]}" \
        "${options[@]}" --output_dir "{out}" "${processes[@]}"
}

if runs 8; then
    log "stage 8: n-best lists of dev with ${model}"
    decode "stage 8" "${tune_dir}/nbest" "${tune_config}" dev
    log "stage 8: language model weight and insertion bonus"
    run_stage "stage 8" "${tune_dir}/weights" --input "${tune_dir}/nbest" "${dump}/dev/text" \
        --log "${logs}/${expname}_tune_${decoding}.log" -- \
        python -m speechmoe_espnet.bin.tune --decode_dir "${tune_dir}/nbest/dev" --data_dir "${dump}/dev" \
        --lm_weights 0.1:1.5:0.1 --output_dir "{out}" # a search takes no weight of 0
fi

if runs 9; then
    log "stage 9: decoding with ${model}"
    [ "${tune}" != true ] || [ "${search_needs}" = nothing ] || tuning="${tune_dir}/weights/tuning.json"
    decode "stage 9" "${decode_dir}" "${decode_config}" "${sets[@]}"
fi

if runs 10; then
    [ -d "${tune_dir}/nbest" ] || die "stage 10 needs n-best lists of dev; the same command with --stage 8 makes them"
    log "stage 10: neural language model (log: ${neural_lm}/train.log)"
    python -m speechmoe_espnet.bin.watch_training --name "$(basename "${neural_lm}")" \
        --log "${neural_lm}/train.log" -- \
        python -m speechmoe_espnet.bin.stage --name "stage 10" --target "${neural_lm}" --in_place --quiet \
        --input "${lm_inputs[@]}" "${dump}/dev/text" "${lm_config}" "${lm_hints[@]}" \
        --log "${neural_lm}/train.log" -- \
        ../../../utils/train_lm.sh "{out}" "${dump}/dev/text" "${lm_inputs[@]}" -- --config "${lm_config}" \
        --seed "${seed}" --ngpu "${ngpu}"
    # rescore TARGET DECODE_DIR SET... -- OPTIONS
    rescore_stage() {
        local target="$1" from="$2"
        local rescored=() inputs=()
        shift 2
        while [ "$1" != -- ]; do
            rescored+=("$1")
            shift
        done
        shift
        [ -z "${tuning}" ] || inputs+=("${tuning}")
        run_stage "stage 10" "${target}" --input "${from}" "${neural_lm}" "${inputs[@]}" \
            --hint "$(made_by "${from}" 9)" --log "${logs}/${expname}_$(basename "${target}").log" -- \
            python -m speechmoe_espnet.bin.rescore --decode_dir "${from}" --sets "${rescored[@]}" \
            --lm_dir "${neural_lm}" --ngpu "${ngpu}" --output_dir "{out}" "$@"
    }
    log "stage 10: weights of both language models on dev"
    tuning=""
    rescore_stage "${tune_dir}/nbest_rescored" "${tune_dir}/nbest" dev -- --nn_lm_weight 0.3 \
        --dev_text "${dump}/dev/text"
    run_stage "stage 10" "${tune_dir}/weights_rescored" --input "${tune_dir}/nbest_rescored" "${dump}/dev/text" \
        --log "${logs}/${expname}_tune_${decoding}_rescored.log" -- \
        python -m speechmoe_espnet.bin.tune --decode_dir "${tune_dir}/nbest_rescored/dev" \
        --data_dir "${dump}/dev" --nn_lm_weights 0:1.2:0.1 --output_dir "{out}"
    log "stage 10: rescoring"
    tuning="${tune_dir}/weights_rescored/tuning.json"
    rescore_stage "${decode_dir}_rescored" "${decode_dir}" "${sets[@]}" -- --tuning "${tuning}"
fi
