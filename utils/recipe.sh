#!/usr/bin/env bash
# The one driver behind every egs/*/asr1/run.sh: stages 1 to 12, from a corpus to a report.
#
# Each stage goes through speechmoe_espnet.bin.stage: it runs when its inputs or its options
# changed, and a failed or killed stage leaves what was there before.
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

# shellcheck source=utils/recipe_options.sh
. "${ROOT}/utils/recipe_options.sh"

# What the search of --decode-config needs: graph, ngram or nothing; none: not known yet.
search_needs=""
runs() {
    [ "${stage}" -le "$1" ] && [ "$1" -le "${stop_stage}" ] || return 1
    [ -z "${model_dir}" ] || [[ "$1" != @(4|5|12) ]] || return 1
    # What the decoding does not need.
    [[ "$1" != [678] ]] || [ "${search_needs}" != nothing ] || return 1
    [ "$1" -ne 7 ] || [ "${search_needs}" != ngram ] || return 1
    [ "$1" -ne 8 ] || [ "${tune}" = true ] || return 1
    [ "$1" -ne 10 ] || [ "${rescore}" = true ] || return 1
}
runs_any() {
    local number
    for ((number = stage; number <= stop_stage; number++)); do
        ! runs "${number}" || return 0
    done
    return 1
}
runs_any || die "--stage ${stage} --stop-stage ${stop_stage}: nothing is left to run; --model-dir leaves stages 4, 5
and 12 out, --tune false stage 8, and stage 10 runs with --rescore"
export -n SPEECHMOE_PROGRAM
[ -n "${RECIPE_DIR:-}" ] || die "RECIPE_DIR is not set; start this through egs/*/asr1/run.sh"

# Absolute where found from the caller's folder, else relative to the recipe.
find_path() {
    local option="$1" path="$2" folder
    if [[ "${path}" != /* ]]; then
        for folder in "${PWD}" "${RECIPE_DIR}" "${ROOT}"; do
            if [ -e "${folder}/${path}" ]; then
                realpath --no-symlinks --relative-base="${ROOT}" --relative-to="${RECIPE_DIR}" \
                    "${folder}/${path}"
                return
            fi
        done
    elif [ -e "${path}" ]; then
        realpath --no-symlinks --relative-base="${ROOT}" --relative-to="${RECIPE_DIR}" "${path}"
        return
    fi
    die "${option}: there is no '${path}', neither in ${PWD} nor in ${RECIPE_DIR} nor in ${ROOT}"
}

[ -z "${corpus_dir}" ] || corpus_dir="$(find_path --corpus-dir "${corpus_dir}")"
init_file="${init_param%%:*}"
init_keys="${init_param#"${init_file}"}"
[ -z "${init_param}" ] || init_file="$(find_path --init-param "${init_file}")"
if [ -n "${token_list}" ]; then
    token_list="$(find_path --token-list "${token_list}")"
    if [ "${token_type}" = bpe ]; then
        given_bpe_model="$(find_path --token-list "$(dirname "${token_list}")/bpe.model")"
    fi
fi
[ -z "${model_dir}" ] || model_dir="$(find_path --model-dir "${model_dir}")"
fbank_config="$(find_path --fbank-config "${fbank_config}")"
! runs 5 || asr_config="$(find_path --asr-config "${asr_config}")"
search_method=unknown
if [ "${stop_stage}" -ge 6 ]; then
    decode_config="$(find_path --decode-config "${decode_config}")"
    description="$(cd "${RECIPE_DIR}" && python -m speechmoe_espnet.bin.describe_decoding "${decode_config}")"
    read -r search_method search_needs num_hypotheses <<<"${description}"
    left_out="stages 6 to 8, since it needs no language model"
    [ "${search_needs}" != ngram ] || left_out="stage 7, since it needs no graph"
    runs_any || die "--stage ${stage} --stop-stage ${stop_stage}: nothing is left to run; ${decode_config} (method
${search_method}) leaves out ${left_out}"
    case "${search_needs}:${token_type}" in
        graph:bpe)
            die "--token-type bpe --decode-config ${decode_config}: the lexicon of method ${search_method} is of
--token-type syllable_phone or char; decode bpe with conf/decode_ctc_greedy.yaml or conf/decode_ctc_prefix_beam.yaml"
            ;;
        ngram:bpe | ngram:syllable_phone)
            die "--token-type ${token_type} --decode-config ${decode_config}: its n-gram is of characters, for models
of --token-type char; decode other units with conf/decode_ctc_greedy.yaml or conf/decode_ctc_prefix_beam.yaml, and
syllable_phone with conf/decode_wfst.yaml"
            ;;
    esac
    ! runs 10 || [ "${search_needs}" != nothing ] ||
        die "--rescore --decode-config ${decode_config}: method ${search_method} uses no n-gram, whose weight is chosen
anew; rescore what conf/decode_wfst_nbest.yaml finds"
    ! runs 10 || [ "${num_hypotheses}" -gt 1 ] ||
        die "--rescore --decode-config ${decode_config}: nbest is 1, which leaves nothing to choose from; take
conf/decode_wfst_nbest.yaml"
    if [ -z "${tune_config}" ]; then
        tune_config="${decode_config}"
        [ "${search_method}" != wfst ] || tune_config=conf/decode_wfst_nbest.yaml
    fi
    ! runs 8 || tune_config="$(find_path --tune-config "${tune_config}")"
    ! runs 10 || lm_config="$(find_path --lm-config "${lm_config}")"
fi
lm_texts=()
read -r -a more_texts <<<"${lm_text}"
for file in "${more_texts[@]}"; do
    ! { runs 6 || runs 10; } || lm_texts+=("$(find_path --lm-text "${file}")")
done
cd "${RECIPE_DIR}"

read -r -a sets <<<"${eval_sets}"
[ "${#sets[@]}" -gt 0 ] || die "--eval-sets is empty: nothing to evaluate on"
all_sets=(train dev)
for set in "${sets[@]}"; do
    [[ " ${known_sets} " == *" ${set} "* ]] ||
        die "--eval-sets: ${set} is not among the sets of ${corpus}: ${known_sets// /, }"
    case "${set}" in
        dev) ;;
        *) all_sets+=("${set}") ;;
    esac
done
[ -z "$(printf '%s\n' "${sets[@]}" | sort | uniq -d)" ] ||
    die "--eval-sets ${eval_sets}: a set is named twice"
read -r -a extra_args <<<"${asr_args}"
if [ "${num_threads}" -gt 0 ]; then
    export OMP_NUM_THREADS="${num_threads}" MKL_NUM_THREADS="${num_threads}"
fi

if [ -z "${expname}" ]; then
    expname="$(basename "${model_dir:-${asr_config}}" .yaml)"
fi
[[ "${expname}" =~ ^[A-Za-z0-9][A-Za-z0-9_.+-]{0,39}$ ]] ||
    die "--expname: a name has up to 40 letters, digits and any of _.+- , got '${expname}'"
case "${expname}" in
    log | stats_* | lm_*) die "--expname ${expname}: exp/${corpus}/${expname} is not for experiments; choose another name" ;;
esac
data="data/${corpus}"
dump="dump/${corpus}"
units="units/${corpus}/${token_type}"
stats="exp/${corpus}/stats_${token_type}"
exp="exp/${corpus}/${expname}"
decoding="$(basename "${decode_config}" .yaml)"
decoding="${decoding#decode_}"
decode_dir="${exp}/decode_${decoding}"
tune_dir="${exp}/tune_${decoding}"
logs="exp/${corpus}/log"
if [ -n "${token_list}" ]; then
    units="${units}_given"
    stats="${stats}_given"
fi
# What searches know beside the model: n-grams, lexicon, graph.
lm_level=word
[ "${search_needs}" != ngram ] || lm_level=char
ngram="lang/${corpus}/ngram_${lm_level}${lm_order}"
lexicon="lang/${corpus}/lexicon_$(basename "${units}")${lm_order}"
graph="lang/${corpus}/graph_$(basename "${units}")${lm_order}"
neural_lm="exp/${corpus}/lm_$(basename "${lm_config}" .yaml)"

# One stage's work: run_stage NAME TARGET [options of the stage command] -- COMMAND
run_stage() {
    local name="$1" target="$2"
    shift 2
    python -m speechmoe_espnet.bin.stage --name "${name}" --target "${target}" "$@"
}

made_by() {
    printf '%s=stage %s makes it: the same command with --stage %s' "$1" "$2" "$2"
}

training_inputs=("${dump}/train" "${dump}/dev" "${units}")
training_hints=(
    --hint "$(made_by "${dump}/train" 2)" --hint "$(made_by "${dump}/dev" 2)"
    --hint "$(made_by "${units}" 3)" --hint "$(made_by "${stats}" 4)"
)
# Data arguments of the training; printed one a line.
data_args() {
    local name text_dir input_size
    input_size="$(python - "${fbank_config}" <<'PYTHON'
import sys

from speechmoe_espnet.data.fbank_config import FbankConfig

print(FbankConfig.from_yaml(sys.argv[1]).feature_size)
PYTHON
    )"
    printf '%s\n' --use_preprocessor true --token_list "${units}/tokens.txt" \
        --input_size "${input_size}" --seed "${seed}"
    case "${token_type}" in
        char) printf '%s\n' --token_type char ;;
        bpe) printf '%s\n' --token_type bpe --bpemodel "${units}/bpe.model" ;;
        syllable_phone) printf '%s\n' --token_type word ;;
    esac
    for name in train valid; do
        text_dir="${dump}/${name/valid/dev}"
        printf '%s\n' "--${name}_data_path_and_name_and_type" "${text_dir}/feats.scp,speech,kaldi_ark"
        [ "${token_type}" != syllable_phone ] || text_dir="${units}/${name/valid/dev}"
        printf '%s\n' "--${name}_data_path_and_name_and_type" "${text_dir}/text,text,text"
    done
}

if runs 1; then
    log "stage 1: data preparation (${corpus})"
    inputs=()
    options=(--corpus "${corpus}")
    if [ "${corpus}" = synthetic ]; then
        read -r -a styles <<<"${eval_sets/dev/}"
        [ "${#styles[@]}" -gt 0 ] || read -r -a styles <<<"${RECIPE_SETS:-}"
        options+=(--preset "${preset}" --seed "${seed}" --sets "${styles[@]}")
    else
        inputs=(--input "${corpus_dir}")
        options+=(--corpus_dir "${corpus_dir}")
    fi
    run_stage "stage 1" "${data}" "${inputs[@]}" --log "${logs}/prepare_corpus.log" -- \
        python -m speechmoe_espnet.bin.prepare_corpus "${options[@]}" --nj "${nj}" \
        --output_dir "{out}" --final_dir "{final}"
fi

if runs 2; then
    for set in "${all_sets[@]}"; do
        log "stage 2: features of ${set}"
        run_stage "stage 2" "${dump}/${set}" --input "${data}" "${fbank_config}" \
            --hint "$(made_by "${data}" 1)" --log "${logs}/extract_features_${set}.log" -- \
            python -m speechmoe_espnet.bin.extract_features --data_dir "${data}/${set}" \
            --config "${fbank_config}" --nj "${nj}" --output_dir "{out}" --final_dir "{final}"
    done
fi

if runs 3; then
    log "stage 3: units (${token_type})"
    options=(--token_type "${token_type}" --train_dir "${dump}/train" --sets)
    inputs=("${dump}/train")
    hints=(--hint "$(made_by "${dump}/train" 2)")
    for set in "${all_sets[@]:1}"; do
        options+=("${dump}/${set}")
        inputs+=("${dump}/${set}")
        hints+=(--hint "$(made_by "${dump}/${set}" 2)")
    done
    if [ -n "${token_list}" ]; then
        options+=(--token_list "${token_list}")
        inputs+=("${token_list}" ${given_bpe_model:+"${given_bpe_model}"})
    elif [ "${token_type}" = bpe ]; then
        options+=(--nbpe "${nbpe}")
    fi
    run_stage "stage 3" "${units}" --input "${inputs[@]}" "${hints[@]}" \
        --log "${logs}/make_units_${token_type}.log" -- \
        python -m speechmoe_espnet.bin.make_units "${options[@]}" --output_dir "{out}"
fi

if runs 4; then
    log "stage 4: statistics"
    run_stage "stage 4" "${stats}" --input "${training_inputs[@]}" "${training_hints[@]}" \
        --log "${logs}/collect_stats_${token_type}.log" -- \
        python -m speechmoe_espnet.bin.collect_stats --train_dir "${dump}/train" --dev_dir "${dump}/dev" \
        --units_dir "${units}" --token_type "${token_type}" --nj "${nj}" --output_dir "{out}"
fi

if runs 5; then
    log "stage 5: training of ${expname} (log: ${exp}/train.log)"
    args_text="$(data_args)"
    mapfile -t args <<<"${args_text}"
    if [ -n "${init_param}" ]; then
        args+=(--init_param "${init_file}${init_keys}")
        training_inputs+=("${init_file}")
    fi
    for name in train valid; do
        args+=("--${name}_shape_file" "${stats}/${name}/speech_shape")
        args+=("--${name}_shape_file" "${stats}/${name}/text_shape.units")
    done
    python -m speechmoe_espnet.bin.watch_training --name "${expname}" --log "${exp}/train.log" -- \
        python -m speechmoe_espnet.bin.stage --name "stage 5" --target "${exp}" --in_place --quiet \
        --input "${training_inputs[@]}" "${stats}" "${asr_config}" "${training_hints[@]}" \
        --log "${exp}/train.log" -- \
        ../../../utils/train.sh "{out}" "${fbank_config}" -- --config "${asr_config}" "${args[@]}" \
        --use_tensorboard false --num_att_plot 0 \
        --normalize global_mvn --normalize_conf "stats_file=${stats}/train/feats_stats.npz" \
        --resume true --ngpu "${ngpu}" "${extra_args[@]}"
fi

# shellcheck source=utils/recipe_decoding.sh
. "${ROOT}/utils/recipe_decoding.sh"

scored_dir="${decode_dir}"
scored_by=9
if [ "${rescore}" = true ]; then
    scored_dir="${decode_dir}_rescored"
    scored_by=10
fi

if runs 11; then
    # Searches that know words write Hanzi, and beside it units.
    measures=(cer)
    if [ "${token_type}" = syllable_phone ]; then
        measures=(ser)
        [ "${search_needs}" != graph ] || measures=(cer ser)
    fi
    for set in "${sets[@]}"; do
        for measure in "${measures[@]}"; do
            log "stage 11: scoring of ${set} (${measure})"
            target="${scored_dir}/${set}/score"
            reference="${dump}/${set}/text"
            maker=2
            hypothesis=text
            if [ "${measure}" = ser ]; then
                reference="${units}/${set}/text"
                maker=3
                hypothesis=units
                [ "${#measures[@]}" -eq 1 ] || target="${target}_ser"
            fi
            run_stage "stage 11" "${target}" \
                --input "${reference}" "${dump}/${set}/utt2spk" "${scored_dir}/${set}/${hypothesis}" \
                --hint "$(made_by "${reference}" "${maker}")" \
                --hint "$(made_by "${scored_dir}/${set}/${hypothesis}" "${scored_by}")" \
                --log "${logs}/score_${expname}_${set}_${measure}.log" -- \
                python -m speechmoe_espnet.bin.score --ref_dir "${reference%/text}" \
                --utt2spk "${dump}/${set}/utt2spk" \
                --hyp_dir "${scored_dir}/${set}" --hyp_name "${hypothesis}" --metric "${measure}" \
                --output_dir "{out}"
        done
    done
fi

if runs 12; then
    log "stage 12: report"
    inputs=("${exp}" "${scored_dir}")
    hints=(--hint "$(made_by "${exp}" 5)" --hint "$(made_by "${scored_dir}" "${scored_by}")")
    for set in "${sets[@]}"; do
        for target in "${scored_dir}/${set}"/score{,_ser}; do
            [[ "${target}" != *_ser ]] || [ -d "${target}" ] || continue
            inputs+=("${target}")
            hints+=(--hint "$(made_by "${target}" 11)")
        done
    done
    run_stage "stage 12" "${exp}/report" --input "${inputs[@]}" "${hints[@]}" \
        --log "${logs}/report_${expname}.log" -- \
        python -m speechmoe_espnet.bin.report --system "${expname}=${exp}" \
        --corpus "${corpus}" --seed "${seed}" --decode "${scored_dir##*/decode_}" \
        --sets "${sets[@]}" --output_dir "{out}"
fi

exit
}
