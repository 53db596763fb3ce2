#!/usr/bin/env bash
# The options of a recipe: declared, read from the command line and checked against each other.
# Sourced by recipe.sh, which uses what this sets.
# shellcheck disable=SC2034,SC2154

LAST_STAGE=12

stage=1
declare_option stage int "first stage to run: 1 data, 2 features, 3 units, 4 statistics, 5 training,
        6 language model and lexicon, 7 decoding graph, 8 tuning on dev (these three where --decode-config
        wants them), 9 decoding, 10 rescoring (with --rescore), 11 scoring, 12 report"
stop_stage="${LAST_STAGE}"
declare_option stop_stage int "last stage to run"
nj=2
declare_option nj int "processes for data, features and decoding"
ngpu=0
declare_option ngpu int "GPUs for training and decoding"
num_threads=0
declare_option num_threads int "threads of each process that computes; 0: as PyTorch likes"
corpus=synthetic
declare_option corpus "synthetic|kaldi|aidatatang_200zh|aishell|aishell2|ali_meeting|commonvoice|kespeech|magicdata|primewords|speechio|stcmds|tal_asr|thchs_30|wenet_speech" \
    "synthetic, kaldi (ready directories train, dev and test), or a public corpus"
corpus_dir=""
declare_option corpus_dir str "where the real corpus lies"
preset=small
declare_option preset "tiny|small|medium|large" "size of the synthetic corpus"
seed=0
declare_option seed int "seed of the synthetic corpus and of the training"
eval_sets=""
declare_option eval_sets str "sets to evaluate on, separated by spaces. Synthetic: read, chat, spon,
        aishell2, dev (train and dev are the union of the others); none: those of this recipe. Real: test, dev;
        none: test"
fbank_config=conf/fbank.yaml
declare_option fbank_config str "features"
token_type=char
declare_option token_type "char|bpe|syllable_phone" "what the model predicts; syllable_phone: tonal
        syllables and English phones, as in the paper"
nbpe=2000
declare_option nbpe int "number of units with --token-type bpe"
token_list=""
declare_option token_list str "units of another recipe instead of those of stage 3"
asr_config=conf/train_speechmoe.yaml
declare_option asr_config str "model and training"
asr_args=""
declare_option asr_args str "more arguments for training, separated by spaces"
init_param=""
declare_option init_param str "checkpoint that training starts from: FILE or, as in ESPnet,
        FILE:SOURCE_KEY:TARGET_KEY:EXCLUDED_KEYS"
expname=""
declare_option expname str "name of the experiment; none: the name of --asr-config (of --model-dir)"
model_dir=""
declare_option model_dir str "decode with this experiment instead of training one: stages 4, 5 and 12
        are left out"
inference_model=valid.loss.ave.pth
declare_option inference_model str "checkpoint to decode with"
decode_config=conf/decode_ctc_greedy.yaml
declare_option decode_config str "decoding: its key method chooses the search"
lm_text=""
declare_option lm_text str "more text for the language model, files with a sentence a line, separated by spaces;
        it has the training transcripts anyway, and the synthetic corpus its own text"
lm_order=5
declare_option lm_order int "length of the longest n-grams, 1 to 5"
lm_prune=""
declare_option lm_prune str "relative growth of perplexity below which an n-gram is pruned; none: 1e-7"
tune=true
declare_option tune "true|false" "choose language model weight and insertion bonus on dev; false: as in --decode-config"
tune_config=""
declare_option tune_config str "decoding of dev for tuning, with n-best lists; none: conf/decode_wfst_nbest.yaml for
        method wfst, else --decode-config"
rescore=false
declare_option rescore flag "rescore n-best lists by a neural language model (stage 10); --decode-config must write
        them, e.g. conf/decode_wfst_nbest.yaml"
lm_config=conf/train_lm_rnn.yaml
declare_option lm_config str "neural language model of --rescore"

parse_options "Runs the stages of this recipe. Files are looked for where you are, in the recipe
and at the top of the repository, in this order. Data, features, units and experiments come
to lie in data, dump, units and exp beside run.sh." "$@"

[ "${stage}" -ge 1 ] && [ "${stage}" -le "${LAST_STAGE}" ] ||
    die "--stage ${stage}: stages are 1 to ${LAST_STAGE}"
[ "${stop_stage}" -ge 1 ] && [ "${stop_stage}" -le "${LAST_STAGE}" ] ||
    die "--stop-stage ${stop_stage}: stages are 1 to ${LAST_STAGE}"
[ "${stage}" -le "${stop_stage}" ] ||
    die "--stage ${stage} --stop-stage ${stop_stage}: this range runs nothing"
[ "${lm_order}" -ge 1 ] && [ "${lm_order}" -le 5 ] || die "--lm-order ${lm_order}: from 1 to 5"
[ "${rescore}" = false ] || [ "${tune}" = true ] ||
    die "--rescore --tune false: rescoring chooses its weights on the n-best lists of dev, which stage 8 makes"
[ "${nj}" -ge 1 ] || die "--nj ${nj}: at least 1"
if [ "${corpus}" = synthetic ]; then
    [ -z "${corpus_dir}" ] ||
        die "--corpus-dir ${corpus_dir}: name the corpus that lies there with --corpus, e.g. --corpus aishell"
    eval_sets="${eval_sets:-${RECIPE_SETS:-}}"
    known_sets="read chat spon aishell2 dev"
else
    [ -n "${corpus_dir}" ] || die "--corpus ${corpus} needs --corpus-dir"
    ! option_given preset || die "--preset is for --corpus synthetic; ${corpus} has one size"
    eval_sets="${eval_sets:-test}"
    known_sets="test dev"
fi
if option_given nbpe; then
    [ "${token_type}" = bpe ] || die "--nbpe is for --token-type bpe; the units are ${token_type}"
    [ -z "${token_list}" ] || die "--nbpe and --token-list: the list of units has its size already"
fi
