#!/usr/bin/env bash
# The options of a recipe, declared and read from the command line. Sourced by recipe.sh.
# What they must be together is checked by speechmoe_espnet.recipe.recipe_options, which knows the same names.
# shellcheck disable=SC2034

# The corpora that belong to the recipe come first; the first of them is its default.
read -r -d '' -a corpora <<<"${RECIPE_CORPORA:-synthetic}" || true
for name in synthetic folder kaldi aidatatang_200zh aishell aishell2 ali_meeting commonvoice kespeech magicdata \
    primewords speechio stcmds tal_asr thchs_30 wenet_speech; do
    [[ " ${corpora[*]} " == *" ${name} "* ]] || corpora+=("${name}")
done
printf -v corpora_words '%s|' "${corpora[@]}"

stage=1
declare_option stage int "first stage to run: 1 data, 2 features, 3 units, 4 statistics, 5 training,
        6 language model and lexicon, 7 decoding graph, 8 tuning on dev (these three where --decode-config
        wants them), 9 decoding, 10 rescoring (with --rescore), 11 scoring, 12 report, 13 packed model to share"
stop_stage=12
declare_option stop_stage int "last stage to run; 13 packs the model as well"
nj=2
declare_option nj int "processes for data, features, statistics and decoding"
cluster=""
declare_option cluster str "YAML with ESPnet3's \`parallel:\` block, such as conf/cluster/slurm.yaml: its workers do what --nj
        processes of this machine do otherwise, and rescoring; needs pip install 'speechmoe_espnet[cluster]'"
ngpu=0
declare_option ngpu int "GPUs for training, each with a process of its own; decoding uses one of them"
num_processes=1
declare_option num_processes int "processes of each training on the CPU, which divide each batch among themselves"
num_nodes=1
declare_option num_nodes int "machines of each training, each with --ngpu or --num-processes processes (torchrun; by srun in a Slurm job)"
num_threads=0
declare_option num_threads int "threads of each process of training, decoding and rescoring; 0: as PyTorch likes (decoding
        by several processes: 1). Data, features and statistics take one in each of --nj processes"
corpus="${corpora[0]}"
declare_option corpus "${corpora_words%|}" \
    "synthetic, folder (recordings of your own), kaldi (ready directories train, dev and test), or a public
        corpus; those of this recipe first"
corpus_dir=""
declare_option corpus_dir str "where the real corpus lies; of --corpus folder: recordings with a .txt each, a .csv or .tsv
        (path, text, perhaps speaker), or Kaldi directories; what has no dev and test is split"
corpus_name=""
declare_option corpus_name str "name of the directories of a real corpus in data, dump, units and exp; none: that of --corpus"
absolute_paths=false
declare_option absolute_paths flag "absolute paths in wav.scp and feats.scp, so that other tools read the directories of
        data and dump from anywhere; the recipe's folder can then not be moved"
skip_bad=""
declare_option skip_bad str "go on without utterances whose audio or text cannot be used, and list them in this file and in
        the report; none: they stop the recipe, and all are listed in exp/CORPUS/log"
preset=small
declare_option preset "tiny|small|medium|large" "size of the synthetic corpus; tiny only shows that all works: training ends
        after 2 epochs of 4 steps, unless --asr-args says otherwise, and wfst searches narrowly"
voices=espeak
declare_option voices "espeak|kokoro|mixed" "who speaks in the synthetic corpus: the formant synthesiser (minutes), natural
        voices (about as long as the speech lasts, once: it is kept in voices/speech), or both in turn"
voices_dir=voices/kokoro
declare_option voices_dir str "folder of the natural voices of --voices; \`speechmoe fetch_voices --output_dir
        voices/kokoro\` at the top of the repository makes one"
seed=0
declare_option seed int "seed of the synthetic corpus and of the training"
search=greedy
declare_option search "greedy|wfst" "greedy: what --token-type and --decode-config say by default; wfst: tonal
        syllables through lexicon and pruned 5-gram, as in the paper (--token-type syllable_phone
        --decode-config conf/decode_wfst.yaml, which win where given)"
eval_sets=""
declare_option eval_sets str "sets to evaluate on, separated by spaces. Synthetic: read, chat, spon,
        aishell2, dev; none: those of this recipe (train and dev are the union of those and of the ones named
        here). Real: test, dev; none: test"
unknown_marks=refuse
declare_option unknown_marks "refuse|keep|strip" "marks in transcripts whose names are unknown, such as <abc>:
        refuse is an error, keep keeps their letters, strip removes them"
simplify=false
declare_option simplify flag "write traditional characters as simplified ones, in transcripts and --lm-text
        (needs the extra traditional)"
fbank_config=conf/fbank.yaml
declare_option fbank_config str "features"
token_type=char
declare_option token_type "char|bpe|syllable_phone" "what the model predicts; syllable_phone: tonal
        syllables and English phones, as in the paper"
nbpe=2000
declare_option nbpe int "number of units with --token-type bpe"
token_list=""
declare_option token_list str "units of another recipe (its tokens.txt) instead of those of stage 3"
asr_config=conf/train_speechmoe.yaml
declare_option asr_config str "model and training"
asr_args=""
declare_option asr_args str "more arguments for training, separated by spaces; a larger --max_epoch goes on with a
        training, other changes begin anew"
init_param=""
declare_option init_param str "checkpoint that training starts from: FILE or, as in ESPnet,
        FILE:SOURCE_KEY:TARGET_KEY:EXCLUDED_KEYS"
init_model="${RECIPE_INIT_MODEL:-none}"
declare_option init_model str "trained model that training starts from: NAME of a shipped one, a packed model (.zip or folder)
        or an experiment directory. Its features, statistics, tokens (and the new ones of this corpus) and
        architecture are taken; --asr-config (conf/finetune.yaml) says how to train; the report compares before
        and after. none: train from nothing"
tensorboard=false
declare_option tensorboard flag "write the curves of the training for tensorboard, into tensorboard/ of the experiment;
        needs pip install 'speechmoe_espnet[tensorboard]'"
expname=""
declare_option expname str "name of the experiment; none: that of --asr-config without train_, with what else it
        depends on (of --model-dir)"
model_dir=""
declare_option model_dir str "decode with this experiment instead of training one: stages 4, 5 and 12
        are left out"
inference_model=valid.loss.ave.pth
declare_option inference_model str "checkpoint to decode with"
decode_config=conf/decode_ctc_greedy.yaml
declare_option decode_config str "decoding: its key method chooses the search"
graph_dir=""
declare_option graph_dir str "decode through this graph (HLG.fst with its tokens.txt), with the weights of the tuning.json
        in it if there is one: stages 6 to 8 are left out. none: the one of stage 7"
tuning=""
declare_option tuning str "weights of the search, a tuning.json of another decoding: stage 8 is left out. none: what
        stage 8 chooses on dev, or what comes with the graph"
lm_text=""
declare_option lm_text str "more text for the language model, files with one sentence per line, separated by spaces;
        it has the training transcripts anyway, and the synthetic corpus its own text"
lm_transcripts=true
declare_option lm_transcripts "true|false" "the language model has the training transcripts too; false: --lm-text alone,
        where transcripts repeat the same words or were spoken from that text"
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
accept_changes=false
declare_option accept_changes flag "go on where data, features or models were changed since a stage made them"
lm_config=conf/train_lm_rnn.yaml
declare_option lm_config str "neural language model of --rescore"
licence=""
declare_option licence str "licence of the packed model, such as Apache-2.0; none: its card says that none is stated"

parse_options "Runs the stages of this recipe. Files are looked for where you are, in the recipe
and at the top of the repository, in this order. Data, features, units and experiments come
to lie in data, dump, units and exp beside run.sh." "$@"
