#!/usr/bin/env bash
# The main job: a static encoder and SpeechMoE of equal computation on four Mandarin sets, from
# nothing to the table. Whatever is finished already is not done again.
#
#   static      the static twin, trained from scratch
#   control     the static twin, trained on
#   speechmoe   SpeechMoE, grown out of the static twin and trained on by the same schedule
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "${ROOT}"
# shellcheck source=utils/log.sh
. utils/log.sh
# shellcheck source=utils/parse_options.sh
. utils/parse_options.sh

preset=small
declare_option preset "tiny|small|medium|large" "size of the synthetic corpus: tiny only shows that all
        works (minutes), small is the default job, the larger ones want hours or a GPU"
seed=0
declare_option seed int "seed of the corpus and of the trainings"
ngpu=0
declare_option ngpu int "GPUs for each training and decoding"
nj="$(nproc 2>/dev/null || echo 2)"
declare_option nj int "processes for data and features"
clean=false
declare_option clean flag "remove data, features, units, experiments and the report of this job, and end"
parse_options "Sets up .venv when needed, trains and evaluates a static encoder and SpeechMoE on four
synthetic Mandarin sets (egs/mix), and writes exp/report/results.json and exp/report/index.html.
Can be stopped and started again at any time." "$@"

RECIPE=egs/mix/asr1
REPORT=exp/report
SECONDS_FILE=exp/seconds_total

if [ "${clean}" = true ]; then
    for folder in data dump units exp; do
        rm -rf "${RECIPE:?}/${folder}"
    done
    rm -rf "${REPORT}" "${SECONDS_FILE}"
    log "removed ${RECIPE}/{data,dump,units,exp} and ${REPORT}"
    exit 0
fi

utils/setup.sh
# shellcheck source=utils/path.sh
. utils/path.sh
mkdir -p exp

# Time spent on this report, in stopped runs and in this one, set-up not counted.
seconds_total() {
    local before=0
    [ ! -s "${SECONDS_FILE}" ] || before="$(cat "${SECONDS_FILE}")"
    echo "$((before + SECONDS))"
}
SECONDS=0
trap 'echo "$(seconds_total)" >"${SECONDS_FILE}"' EXIT

common=(--preset "${preset}" --seed "${seed}" --ngpu "${ngpu}" --nj "${nj}")
# More speech wants more steps; the schedule is stretched with them.
case "${preset}" in
    tiny) asr_args="--max_epoch 2 --num_iters_per_epoch 4" ;;
    medium) asr_args="--max_epoch 40 --scheduler_conf max_steps=12000" ;;
    large) asr_args="--max_epoch 200 --scheduler_conf max_steps=60000" ;;
    *) asr_args="" ;;
esac

recipe() {
    "${RECIPE}/run.sh" "${common[@]}" "$@"
}

experiments="${RECIPE}/exp/synthetic"
log "1 of 5: data, features, units, statistics"
recipe --stage 1 --stop-stage 4

log "2 of 5: training of the static twin"
recipe --stage 5 --stop-stage 5 --expname static --asr-config conf/train_static.yaml \
    --asr-args "${asr_args}" --num-threads 1

log "3 of 5: the twin trained on, and SpeechMoE grown out of it, side by side"
further=(--stage 5 --stop-stage 5 --num-threads 1 --asr-args "${asr_args}"
    --init-param "${experiments}/static/valid.loss.ave.pth")
python -m speechmoe_espnet.bin.side_by_side -- \
    "${RECIPE}/run.sh" "${common[@]}" "${further[@]}" --expname control \
    --asr-config conf/train_static_continued.yaml \
    --and \
    "${RECIPE}/run.sh" "${common[@]}" "${further[@]}" --expname speechmoe \
    --asr-config conf/train_speechmoe.yaml

log "4 of 5: decoding and scoring"
results=()
for system in static control speechmoe; do
    # One process, one thread: the real-time factors are of one core.
    recipe --stage 6 --stop-stage 7 --expname "${system}" --num-threads 1 --nj 1
    results+=("${experiments}/${system}" "${experiments}/${system}/decode_ctc_greedy")
    for set in read chat spon aishell2; do
        results+=("${experiments}/${system}/decode_ctc_greedy/${set}/score")
    done
done

log "5 of 5: report"
report_mark="$(cat "${REPORT}/.done.json" 2>/dev/null || true)"
python -m speechmoe_espnet.bin.stage --name report --target "${REPORT}" --input "${results[@]}" \
    --ignore seconds_total= --log exp/report.log --quiet -- \
    python -m speechmoe_espnet.bin.report --decode ctc_greedy --sets read chat spon aishell2 \
    --system "static=${experiments}/static" --system "control=${experiments}/control" \
    --system "speechmoe=${experiments}/speechmoe" --control control --candidate speechmoe \
    --output_dir "{out}" --meta "seed=${seed}" "preset=${preset}" \
    "seconds_total=$(seconds_total)"
if [ "$(cat "${REPORT}/.done.json")" = "${report_mark}" ]; then
    trap - EXIT # nothing was made: the time noted for the report stays
fi

echo
cat "${REPORT}/table.txt"
echo
log "figures: ${REPORT}/results.json"
log "pictures: ${REPORT}/index.html"
