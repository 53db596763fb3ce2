#!/usr/bin/env bash
# The main job: a dense baseline ("static" in file names) and SpeechMoE of equal computation on four
# Mandarin sets, from nothing to the table. Whatever is finished already is not done again.
#
#     static      one expert, hence no router, in the shape that a search on dev chose for it; the control
#     speechmoe   SpeechMoE in its best shape, trained from scratch as well, by the same schedule on the same batches
#
# Both write characters by greedy search: what the encoder knows of the language is all there is. With
# --search wfst both write tonal syllables, which one graph of lexicon and pruned 5-gram turns into
# Hanzi, with weights tuned on dev in the same way for each. --preset full trains three seeds, four
# times as long on three times the speech, both in both shapes: hours, and the evidence.
# shellcheck disable=SC2154
set -euo pipefail

# Bash reads a script as it runs; in braces it is read whole, and may be updated meanwhile.
{
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "${ROOT}"
# shellcheck source=utils/log.sh
. utils/log.sh
# shellcheck source=utils/parse_options.sh
. utils/parse_options.sh
# shellcheck source=utils/plan.sh
. utils/plan.sh

preset=small
declare_option preset "tiny|small|full|medium|large" "how much is done: small is the default job; tiny only
        shows that all works (minutes); full trains three seeds for longer and compares them (hours on CPU);
        medium has more speech (hours); large has 200 hours of speech and 12 layers, for a GPU"
search=greedy
declare_option search "greedy|wfst" "how both are decoded: characters without a language model, or tonal syllables
        through lexicon and 5-gram (then systems and report end in _wfst)"
seed=0
declare_option seed int "seed of the corpus and of the trainings"
ngpu=0
declare_option ngpu int "GPUs for each training and decoding"
nj="$(nproc 2>/dev/null || echo 2)"
declare_option nj int "processes for data, features and statistics"
clean=false
declare_option clean flag "remove data, features, units, experiments and the report of this job, and end; other
        experiments stay, those of --preset full too"
parse_options "Sets up .venv when needed, trains and evaluates a dense baseline (static in file names) and SpeechMoE
on four synthetic Mandarin sets (egs/mix), and writes exp/report/results.json and exp/report/index.html (exp/report_wfst with
--search wfst; --preset full: egs/mix/asr1/exp/grids/effect, or effect_wfst). Presets and seeds share that report alone.
Can be stopped and started again at any time." "$@"

RECIPE=egs/mix/asr1
SECONDS_FILE=exp/seconds_total

if [ "${clean}" = true ]; then
    for target in "${RECIPE}"/{data,dump,units,lang}/synthetic{,_tiny,_medium,_large}{,_seed*} \
        "${RECIPE}"/exp/synthetic{,_tiny,_medium,_large}{,_seed*}/{{static,speechmoe}{,_wfst},stats_char,stats_syllable_phone,log} \
        exp/report{,_wfst}; do
        # With what a killed stage may have left beside it.
        rm -rf "${target}" "${target%/*}/.${target##*/}.tmp."* "${target%/*}/.${target##*/}.lock"
    done
    rm -f exp/report{,_wfst}.log "${SECONDS_FILE}"
    for folder in "${RECIPE}"/{data,dump,units,lang,exp/synthetic*,exp}; do
        [ ! -d "${folder}" ] || rmdir --ignore-fail-on-non-empty "${folder}"
    done
    log "removed what this job made in ${RECIPE}/{data,dump,units,lang,exp} and exp; other experiments stay"
    exit 0
fi

utils/setup.sh
# shellcheck source=utils/path.sh
. utils/path.sh
mkdir -p exp

if [ "${preset}" = full ]; then
    GRID="${RECIPE}/grids/effect.yaml"
    [ "${search}" = greedy ] || GRID="${RECIPE}/grids/effect_${search}.yaml"
    ! option_given seed || die "--seed ${seed}: --preset full trains the seeds that ${GRID} names"
    jobs="${nj}"
    [ "${ngpu}" -eq 0 ] || jobs=1
    [ "${ngpu}" -le 1 ] || die "--ngpu ${ngpu}: each training of --preset full takes one GPU at most"
    exec python -m speechmoe_espnet.bin.grid "${GRID}" --jobs "${jobs}" --nj "${nj}" --ngpu "${ngpu}"
fi

read_plan job --recipe "${RECIPE}" --preset "${preset}" --search "${search}" --seed "${seed}" --ngpu "${ngpu}"
[ -z "${times}" ] || log "${times}"
export SPEECHMOE_TIMES_TOLD=true

# Time spent on this report, in this run and in unfinished ones before it with the same options,
# set-up not counted.
configuration="preset=${preset} search=${search} seed=${seed} ngpu=${ngpu}"
SECONDS=0
if [ -f "${SECONDS_FILE}" ]; then
    { read -r noted_configuration && read -r noted_seconds; } <"${SECONDS_FILE}" || true
    if [ "${noted_configuration:-}" = "${configuration}" ] && [[ "${noted_seconds:-}" =~ ^[1-9][0-9]*$ ]]; then
        SECONDS="${noted_seconds}"
    fi
fi
note_seconds() {
    printf '%s\n' "${configuration}" "${SECONDS}" >"${SECONDS_FILE}.tmp.$$"
    mv "${SECONDS_FILE}.tmp.$$" "${SECONDS_FILE}"
}
trap note_seconds EXIT
step() {
    note_seconds
    log "$@"
}

# Works, separated by --and: side by side on a CPU. On a GPU one after the other: two trainings of models so small would
# wait for each other's turn at every kernel.
do_works() {
    local work=() word
    if [ "${ngpu}" -eq 0 ]; then
        python -m speechmoe_espnet.bin.side_by_side -- "$@"
        return
    fi
    for word in "$@" --and; do
        if [ "${word}" != --and ]; then
            work+=("${word}")
            continue
        fi
        python -m speechmoe_espnet.bin.side_by_side -- "${work[@]}"
        work=()
    done
}

common=("${RECIPE}/run.sh" --preset "${preset}" --search "${search}" --seed "${seed}" --ngpu "${ngpu}" --nj "${nj}")
step "1 of 4: data, features, units, statistics"
# Through side_by_side, also a single one, so that it ends with this script even where that is killed.
python -m speechmoe_espnet.bin.side_by_side -- "${common[@]}" --stage 1 --stop-stage 4

step "2 of 4: training of both systems, and beside it what the search needs"
works=()
for system in "${systems[@]}"; do
    works+=(${works[0]:+--and} "${common[@]}" --stage 5 --stop-stage 5 --expname "${system}${suffix}"
        --asr-config "${configs}${system}.yaml" --asr-args "${asr_args}" --num-threads 1)
done
[ "${search}" = greedy ] || works+=(--and "${common[@]}" --stage 6 --stop-stage 7)
do_works "${works[@]}"

step "3 of 4: decoding and scoring${suffix:+, weights tuned on dev before}"
works=()
for system in "${systems[@]}"; do
    # One process, one thread: the real-time factors are of one core.
    works+=(${works[0]:+--and} "${common[@]}" --stage 8 --stop-stage 11 --expname "${system}${suffix}"
        --nj 1 --num-threads 1)
done
do_works "${works[@]}"

step "4 of 4: report"
python -m speechmoe_espnet.bin.stage --name report --target "${report}" --input "${report_inputs[@]}" \
    --ignore seconds_total= --log "${report}.log" --quiet -- \
    python -m speechmoe_espnet.bin.report --decode "${decoding}" --sets "${sets[@]}" "${report_systems[@]}" \
    --corpus synthetic --control static --candidate speechmoe --audio_dir "${data_dir}" --output_dir "{out}" \
    --meta "seed=${seed}" "preset=${preset}" "seconds_total=${SECONDS}"
trap - EXIT
rm -f "${SECONDS_FILE}"

echo
cat "${report}/table.txt"
echo
log "figures: ${report}/results.json"
log "pictures: ${report}/index.html"

exit
}
