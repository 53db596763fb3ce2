#!/usr/bin/env bash
# The one driver behind every egs/*/asr1/run.sh: stages 1 to 8, from a corpus to a report.
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

runs() {
    [ "${stage}" -le "$1" ] && [ "$1" -le "${stop_stage}" ] || return 1
    [ -z "${model_dir}" ] || [[ "$1" != [458] ]]
}
runs_any() {
    local number
    for ((number = stage; number <= stop_stage; number++)); do
        ! runs "${number}" || return 0
    done
    return 1
}
runs_any || die "--stage ${stage} --stop-stage ${stop_stage}: --model-dir leaves stages 4, 5 and 8 out; nothing is left"
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
! runs 6 || decode_config="$(find_path --decode-config "${decode_config}")"
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
    log | stats_*) die "--expname ${expname}: exp/${corpus}/${expname} is not for experiments; choose another name" ;;
esac
data="data/${corpus}"
dump="dump/${corpus}"
units="units/${corpus}/${token_type}"
stats="exp/${corpus}/stats_${token_type}"
exp="exp/${corpus}/${expname}"
decode_dir="${exp}/decode_$(basename "${decode_config}" .yaml | sed 's/^decode_//')"
logs="exp/${corpus}/log"
if [ -n "${token_list}" ]; then
    units="${units}_given"
    stats="${stats}_given"
fi

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
# Arguments that stages 4 and 5 share; printed one a line.
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
        syllable) printf '%s\n' --token_type word ;;
    esac
    for name in train valid; do
        text_dir="${dump}/${name/valid/dev}"
        printf '%s\n' "--${name}_data_path_and_name_and_type" "${text_dir}/feats.scp,speech,kaldi_ark"
        [ "${token_type}" != syllable ] || text_dir="${units}/${name/valid/dev}"
        printf '%s\n' "--${name}_data_path_and_name_and_type" "${text_dir}/text,text,text"
    done
}

if runs 1; then
    log "stage 1: data preparation (${corpus})"
    inputs=()
    options=(--corpus "${corpus}")
    if [ "${corpus}" = synthetic ]; then
        options+=(--preset "${preset}" --seed "${seed}" --sets "${sets[@]}")
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
    args_text="$(data_args)"
    mapfile -t args <<<"${args_text}"
    run_stage "stage 4" "${stats}" --input "${training_inputs[@]}" "${training_hints[@]}" --quiet \
        --log "${logs}/collect_stats_${token_type}.log" -- \
        ../../../utils/collect_stats.sh "{out}" "${units}/tokens.txt" -- "${args[@]}" --ngpu "${ngpu}" \
        --encoder vgg_rnn --model_conf ctc_weight=1.0 --batch_size 64
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

if runs 6; then
    model="${model_dir:-${exp}}"
    log "stage 6: decoding with ${model}"
    hints=(--hint "$(made_by "${exp}" 5)")
    [ -z "${model_dir}" ] ||
        hints=(--hint "${model}=--model-dir wants a finished experiment (stage 5 of its recipe)")
    # One process uses the GPU.
    processes=(--nj "${nj}" --ngpu 0)
    [ "${ngpu}" -eq 0 ] || processes=(--nj 1 --ngpu 1)
    data_dirs=()
    for set in "${sets[@]}"; do
        data_dirs+=("${dump}/${set}")
        hints+=(--hint "$(made_by "${dump}/${set}" 2)")
    done
    run_stage "stage 6" "${decode_dir}" --input "${model}" "${decode_config}" "${data_dirs[@]}" "${hints[@]}" \
        --log "${logs}/${expname}_$(basename "${decode_dir}").log" -- \
        python -m speechmoe_espnet.bin.decode --model_dir "${model}" \
        --model_file "${inference_model}" --config "${decode_config}" --data_dirs "${data_dirs[@]}" \
        --output_dir "{out}" "${processes[@]}"
fi

if runs 7; then
    for set in "${sets[@]}"; do
        log "stage 7: scoring of ${set}"
        metric=cer
        reference="${dump}/${set}/text"
        maker=2
        if [ "${token_type}" = syllable ]; then
            metric=ser
            reference="${units}/${set}/text"
            maker=3
        fi
        run_stage "stage 7" "${decode_dir}/${set}/score" \
            --input "${reference}" "${dump}/${set}/utt2spk" "${decode_dir}/${set}/text" \
            --hint "$(made_by "${reference}" "${maker}")" --hint "$(made_by "${decode_dir}/${set}/text" 6)" \
            --log "${logs}/score_${expname}_${set}.log" -- \
            python -m speechmoe_espnet.bin.score --ref_dir "${reference%/text}" \
            --utt2spk "${dump}/${set}/utt2spk" \
            --hyp_dir "${decode_dir}/${set}" --metric "${metric}" --output_dir "{out}"
    done
fi

if runs 8; then
    log "stage 8: report"
    inputs=("${exp}" "${decode_dir}")
    hints=(--hint "$(made_by "${exp}" 5)" --hint "$(made_by "${decode_dir}" 6)")
    for set in "${sets[@]}"; do
        inputs+=("${decode_dir}/${set}/score")
        hints+=(--hint "$(made_by "${decode_dir}/${set}/score" 7)")
    done
    run_stage "stage 8" "${exp}/report" --input "${inputs[@]}" "${hints[@]}" \
        --log "${logs}/report_${expname}.log" -- \
        python -m speechmoe_espnet.bin.report --system "${expname}=${exp}" \
        --corpus "${corpus}" --seed "${seed}" --decode "${decode_dir##*/decode_}" \
        --sets "${sets[@]}" --output_dir "{out}"
fi

exit
}
