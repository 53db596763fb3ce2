"""The plan of a run: all that the stages in `utils/recipe.sh` are told.

Which stages run, where their directories lie, and the arguments that depend on more than one
option. The commands themselves stand in the script.
"""

import dataclasses
import os
from pathlib import Path

from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.worker_options import read_cluster
from speechmoe_espnet.decode.config import DecodeConfig
from speechmoe_espnet.pipeline.digests import DONE, read_mark
from speechmoe_espnet.recipe.directories import name_directories
from speechmoe_espnet.recipe.expected_times import expected_times
from speechmoe_espnet.recipe.feature_args import corpus_args, feature_args, text_args
from speechmoe_espnet.recipe.find_files import Place
from speechmoe_espnet.recipe.hints import hints
from speechmoe_espnet.recipe.recipe_options import (
    BPE,
    DEV,
    SYLLABLE_PHONE,
    SYNTHETIC,
    Options,
)
from speechmoe_espnet.recipe.score_columns import score_columns
from speechmoe_espnet.recipe.searches import Stages, tune_config, with_search
from speechmoe_espnet.recipe.shell_lines import Value
from speechmoe_espnet.recipe.training_args import curve_args, length_args

DEFAULT_FBANK = "conf/fbank.yaml"
SPEECH = "voices/speech"
"""Natural speech, kept for all recipes and seeds."""
HOW_TO_FETCH_VOICES = (
    "`.venv/bin/speechmoe fetch_voices --output_dir voices/kokoro` at the top of the repository "
    "makes that folder"
)


def plan_recipe(options: Options, place: Place) -> dict[str, Value]:
    """Return the variables of `utils/recipe.sh`.

    Args:
        options: Options as the user gave them.
        place: The folders of the run.

    Raises:
        FileNotFoundError: A configuration does not exist.
        ValueError: A path leads nowhere, options contradict each other, or nothing is to run.
    """
    return _Plan(options.changed(with_search(options)), place).variables()


class _Plan:
    """What follows from the options of a run; paths are as the stages see them."""

    def __init__(self, options: Options, place: Place) -> None:
        self.place = place
        Stages(options, None).check()
        options = self._with_paths(options)
        self.decoding: DecodeConfig | None = None
        if options.stop_stage >= 6:
            found = place.find("--decode-config", options.decode_config)
            options = options.changed({"decode_config": found})
            self.decoding = DecodeConfig.from_yaml(place.absolute(found))
        if options.cluster:
            read_cluster(place.absolute(options.cluster))
        stages = Stages(options, self.decoding)
        stages.check()
        self.stages = stages.numbers()
        self.options = self._with_paths_of_stages(options)
        self.sets = options.sets_to_evaluate(place.sets)
        self.lm_texts = [place.find("--lm-text", path) for path in options.lm_text.split()]
        self.fbank = FbankConfig.from_yaml(place.absolute(options.fbank_config))
        self.token_list = self._token_list()
        self.directories = name_directories(
            self.options,
            fbank=self.fbank,
            default_fbank=FbankConfig.from_yaml(place.root / DEFAULT_FBANK),
            decoding=self.decoding,
            token_list=[place.absolute(path) for path in self.token_list],
            lm_texts=self.lm_texts,
        )
        if 1 in self.stages and options.corpus_dir:
            self._check_same_corpus()

    def _check_same_corpus(self) -> None:
        """Refuse to make a corpus anew out of another folder, with all that was made of it."""
        data = self.directories.data
        mark = read_mark(self.place.absolute(data) / DONE) or {}
        words = mark.get("command", [])
        if "--corpus_dir" not in words[:-1]:
            return
        made_from = words[words.index("--corpus_dir") + 1]
        if os.path.realpath(self.place.absolute(made_from)) != os.path.realpath(
            self.place.absolute(self.options.corpus_dir)
        ):
            raise ValueError(
                f"--corpus-dir {self.options.corpus_dir}: {data} was made from {made_from}; give "
                f"this corpus directories of its own by --corpus-name NAME, or remove {data}"
            )

    def _with_paths(self, options: Options) -> Options:
        changes = {"fbank_config": self.place.find("--fbank-config", options.fbank_config)}
        if options.is_natural and options.stage == 1:
            changes["voices_dir"] = self._voices_dir(options.voices_dir)
        for name in ("corpus_dir", "model_dir", "token_list", "cluster"):
            if path := getattr(options, name):
                changes[name] = self.place.find(f"--{name.replace('_', '-')}", path)
        if options.init_param:
            file, colon, keys = options.init_param.partition(":")
            changes["init_param"] = f"{self.place.find('--init-param', file)}{colon}{keys}"
        return options.changed(changes)

    def _voices_dir(self, path: str) -> str:
        try:
            return self.place.find("--voices-dir", path)
        except ValueError as error:
            raise ValueError(f"{error}; {HOW_TO_FETCH_VOICES}") from None

    def _with_paths_of_stages(self, options: Options) -> Options:
        """Find what only some stages read."""
        changes = {}
        if 5 in self.stages:
            changes["asr_config"] = self.place.find("--asr-config", options.asr_config)
        if 8 in self.stages and self.decoding is not None:
            path = tune_config(options, self.decoding)
            changes["tune_config"] = self.place.find("--tune-config", path)
        if 10 in self.stages:
            changes["lm_config"] = self.place.find("--lm-config", options.lm_config)
        return options.changed(changes)

    def _token_list(self) -> list[str]:
        if not self.options.token_list:
            return []
        files = [self.options.token_list]
        if self.options.token_type == BPE:
            model = str(Path(self.options.token_list).parent / "bpe.model")
            files.append(self.place.find("--token-list", model))
        return files

    def variables(self) -> dict[str, Value]:
        """Return all variables by name."""
        options, names = self.options, self.directories
        scored, scored_by = (names.rescored, 10) if options.rescore else (names.decode_dir, 9)
        return {
            "stages": [str(number) for number in self.stages],
            # Times were measured with the formant synthesiser.
            "times": ""
            if options.is_natural
            else expected_times(
                options.corpus, options.preset, self.stages, len(set(self.sets) - {DEV}) or 1
            ),
            "sets": self.sets,
            **{field.name: getattr(names, field.name) for field in dataclasses.fields(names)},
            "scored_dir": scored,
            "model": options.model_dir or names.exp,
            "fbank_config": options.fbank_config,
            "asr_config": options.asr_config,
            "decode_config": options.decode_config,
            "tune_config": options.tune_config,
            "lm_config": options.lm_config,
            "token_type": options.token_type,
            "hints": hints(self.options, names, self.sets, scored, scored_by),
            "workers": self._workers(),
            **self._corpus(),
            **self._training(),
            **self._language_model(),
            **self._search(),
            **score_columns(options, names, self.sets, scored, writes_words=self._needs("graph")),
        }

    def _workers(self) -> list[str]:
        """Return the arguments of stages that work in several processes."""
        options = self.options
        cluster = ["--cluster", options.cluster] if options.cluster else []
        return ["--nj", str(options.nj), *cluster]

    def _corpus(self) -> dict[str, Value]:
        options, names = self.options, self.directories
        if options.corpus == SYNTHETIC:
            styles = [
                *self.place.sets,
                *(name for name in self.sets if name not in self.place.sets),
            ]
            styles = [name for name in styles if name != DEV]
            if not styles:
                raise ValueError("--eval-sets dev: no style is named to make speech of")
            inputs = []
            args = ["--preset", options.preset, "--seed", str(options.seed), "--sets", *styles]
            if options.is_natural:
                inputs = [options.voices_dir]
                args += ["--voices", options.voices, "--voices_dir", options.voices_dir]
                args += ["--speech_dir", str(self.place.root / SPEECH)]
        else:
            styles = [name for name in self.sets if name != DEV]
            inputs, args = [options.corpus_dir], corpus_args(options, names.logs)
        others = [f"{names.dump}/{name}" for name in (DEV, *styles)]
        unit_args = ["--sets", *others]
        if self.token_list:
            unit_args += ["--token_list", options.token_list]
        elif options.token_type == BPE:
            unit_args += ["--nbpe", str(options.nbpe)]
        return {
            "corpus_inputs": inputs,
            "corpus_args": args,
            "path_args": ["--absolute_paths"] if options.absolute_paths else [],
            "feature_sets": ["train", DEV, *styles],
            **text_args(options),
            **feature_args(options, self.fbank, self.place.caller),
            "unit_inputs": [f"{names.dump}/train", *others, *self.token_list],
            "unit_args": unit_args,
        }

    def _training(self) -> dict[str, Value]:
        options, names = self.options, self.directories
        tokens = {
            BPE: ["--token_type", "bpe", "--bpemodel", f"{names.units}/bpe.model"],
            SYLLABLE_PHONE: ["--token_type", "word"],
        }.get(options.token_type, ["--token_type", options.token_type])
        data = ["--use_preprocessor", "true", "--token_list", f"{names.units}/tokens.txt"]
        data += ["--input_size", str(self.fbank.feature_size), *tokens]
        shapes = []
        for name, folder in (("train", "train"), ("valid", DEV)):
            texts = names.units if options.token_type == SYLLABLE_PHONE else names.dump
            feats = f"{names.dump}/{folder}/feats.scp,speech,kaldi_ark"
            for path in (feats, f"{texts}/{folder}/text,text,text"):
                data += [f"--{name}_data_path_and_name_and_type", path]
            for shape in ("speech_shape", "text_shape.units"):
                shapes += [f"--{name}_shape_file", f"{names.stats}/{name}/{shape}"]
        init = ["--init_param", options.init_param] if options.init_param else []
        curves = curve_args(options.tensorboard and 5 in self.stages)
        inputs = [f"{names.dump}/train", f"{names.dump}/{DEV}", names.units]
        user = options.asr_args.split()
        length = []
        if 5 in self.stages:
            config = self.place.absolute(options.asr_config)
            length = length_args(config, user, tiny=options.is_tiny)
        return {
            "data_args": data,
            "data_inputs": inputs,
            "training_args": [*shapes, *init, *curves, "--seed", str(options.seed), *user, *length],
            "training_inputs": [*inputs, names.stats, *(init[1:] and [init[1].split(":")[0]])],
        }

    def _language_model(self) -> dict[str, Value]:
        options, names = self.options, self.directories
        # The synthetic corpus' own text holds the training transcripts already. Counted twice,
        # hardly any n-gram occurs once, and that is what Kneser-Ney smoothing estimates the
        # unseen from.
        texts = [f"{names.dump}/train/text", *self.lm_texts]
        if not options.lm_transcripts:
            texts = self.lm_texts
        elif options.corpus == SYNTHETIC:
            texts = [*self.lm_texts, f"{names.data}/lm_text"]
        return {
            "lm_level": "char" if self._needs("ngram") else "word",
            "lm_texts": texts,
            "ngram_args": ["--prune_threshold", options.lm_prune] if options.lm_prune else [],
        }

    def _needs(self, what: str) -> bool:
        return self.decoding is not None and bool(getattr(self.decoding, f"needs_{what}"))

    def _search(self) -> dict[str, Value]:
        options, names = self.options, self.directories
        args, inputs, tuned = [], [], []
        if self._needs("graph"):
            args, inputs = ["--graph_dir", names.graph], [names.graph]
        elif self._needs("ngram"):
            args, inputs = ["--ngram", f"{names.ngram}/lm_pruned.arpa"], [names.ngram]
        if inputs and options.tune:
            tuned = [f"{names.tune_dir}/weights/tuning.json"]
        tuning = [word for path in tuned for word in ("--tuning", path)]
        packed = [*args, "--decode_config", options.decode_config, *tuning]
        # One process uses the GPU.
        workers = ["--nj", "1"] if options.ngpu else self._workers()
        processes = [*workers, "--ngpu", "1" if options.ngpu else "0"]
        if options.skip_bad:
            processes.append("--skip_bad")
        if options.num_threads:
            processes += ["--num_threads", str(options.num_threads)]
        return {
            "has_lexicon": "true" if self._needs("graph") else "false",
            "search_args": args,
            "search_inputs": inputs,
            "tuning": tuned,
            "tuning_args": tuning,
            "pack_args": packed if self._needs("graph") else [],
            "processes": processes,
            "rescoring_args": [*workers[2:], "--ngpu", "1" if options.ngpu else "0"],
        }
