"""The plan of a run: all that the stages in `utils/recipe.sh` are told.

Which stages run, where their directories lie, and the arguments that depend on more than one
option. The commands themselves stand in the script.
"""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.worker_options import read_cluster
from speechmoe_espnet.decode.config import DecodeConfig
from speechmoe_espnet.decode.tuning_file import TUNING_FILE
from speechmoe_espnet.pipeline.digests import DONE, read_mark
from speechmoe_espnet.recipe.directories import name_directories, name_of_corpus
from speechmoe_espnet.recipe.expected_times import expected_times
from speechmoe_espnet.recipe.feature_args import corpus_args, feature_args, text_args
from speechmoe_espnet.recipe.find_files import Place
from speechmoe_espnet.recipe.hints import stage_hints
from speechmoe_espnet.recipe.language_model import lm_variables
from speechmoe_espnet.recipe.recipe_options import (
    BPE,
    DEV,
    SYNTHETIC,
    Options,
)
from speechmoe_espnet.recipe.score_columns import score_columns
from speechmoe_espnet.recipe.searches import (
    Stages,
    search_variables,
    tune_config,
    with_search,
    worker_args,
)
from speechmoe_espnet.recipe.shell_lines import Value
from speechmoe_espnet.recipe.start_model import StartModel, without_start
from speechmoe_espnet.recipe.training_args import curve_args, data_args, length_args

DEFAULT_FBANK = "conf/fbank.yaml"
SPEECH = "voices/speech"
"""Natural speech, kept for all recipes and seeds."""
_PATHS = ("fbank_config", "corpus_dir", "model_dir", "token_list", "graph_dir", "tuning", "cluster")
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
    options = options.changed(with_search(options))
    start = StartModel.find(options, place, name_of_corpus(options))
    if start is not None:
        options = options.changed(start.changes(options))
    return _Plan(options, place, start).variables()


class _Plan:
    """What follows from the options of a run; paths are as the stages see them."""

    def __init__(self, options: Options, place: Place, start: StartModel | None) -> None:
        self.place, self.start = place, start
        Stages(options, None).check()
        options = self._with_paths(options)
        self.decoding: DecodeConfig | None = None
        if start and self._is_made(options.decode_config):
            self.decoding = start.trained.decoding if options.stop_stage >= 6 else None
        elif options.stop_stage >= 6:
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
        self.token_list = self._token_list()
        if start is None:
            self.fbank = FbankConfig.from_yaml(place.absolute(options.fbank_config))
            tokens = [place.absolute(path).read_bytes() for path in self.token_list]
        else:
            self.fbank = start.trained.fbank
            tokens = ["".join(f"{token}\n" for token in start.trained.tokens.tokens).encode()]
        self.grammar = start.grammar_for(self.options) if start else ""
        self.directories = name_directories(
            self.options,
            fbank=self.fbank,
            default_fbank=FbankConfig.from_yaml(place.root / DEFAULT_FBANK),
            decoding=self.decoding,
            token_list=tokens,
            lm_texts=self.lm_texts,
            start=start.trained.name if start else "",
            extended=start is not None and start.is_extended,
            mixed=bool(self.grammar),
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
        changes = {}
        if options.is_natural and options.stage == 1:
            changes["voices_dir"] = self._voices_dir(options.voices_dir)
        for name in _PATHS:
            if (path := getattr(options, name)) and not self._is_made(path):
                changes[name] = self.place.find(f"--{name.replace('_', '-')}", path)
        if options.init_param and not self._is_made(options.init_param):
            file, colon, keys = options.init_param.partition(":")
            changes["init_param"] = f"{self.place.find('--init-param', file)}{colon}{keys}"
        return options.changed(changes)

    def _is_made(self, path: str) -> bool:
        """Whether a path is in the model to start from, which stage 1 unpacks."""
        return self.start is not None and path.startswith(f"{self.start.directory}/")

    def _is_weighed(self) -> bool:
        """Whether a given graph has weights in it."""
        graph = self.options.graph_dir
        if self._is_made(graph):
            return self.start is not None and self.start.is_weighed
        return bool(graph) and (self.place.absolute(graph) / TUNING_FILE).is_file()

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
            made = self._is_made(model)
            files.append(model if made else self.place.find("--token-list", model))
        return files

    def variables(self) -> dict[str, Value]:
        """Return all variables by name."""
        options, names = self.options, self.directories
        scored = names.rescored if options.rescore else names.decode_dir
        writes_words = self._needs("graph")
        columns = score_columns(options, names, self.sets, scored, writes_words=writes_words)
        variables: dict[str, Value] = {
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
            "workers": worker_args(options),
            **self._corpus(),
            **self._training(),
            **self._start(scored, columns["score_targets"]),
            **lm_variables(options, names, self.decoding, self.lm_texts, self.grammar),
            **search_variables(options, names, self.decoding, is_weighed=self._is_weighed()),
            **columns,
            "report_args": ["--meta", f"preset={options.preset}"] if options.is_tiny else [],
        }
        return variables | stage_hints(
            options, names, variables, lambda path: self.place.absolute(path).exists()
        )

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
            unit_args += ["--extend"] if self.start and self.start.is_extended else []
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
        data, shapes = data_args(options, names, self.fbank.feature_size)
        init = ["--init_param", options.init_param] if options.init_param else []
        curves = curve_args(options.tensorboard and 5 in self.stages)
        inputs = [f"{names.dump}/train", f"{names.dump}/{DEV}", names.units]
        user = options.asr_args.split()
        length, model = [], []
        if 5 in self.stages:
            config = self.place.absolute(options.asr_config)
            length = length_args(config, user, tiny=options.is_tiny)
            model = self.start.training_args(config) if self.start else []
        return {
            "data_args": data,
            "data_inputs": inputs,
            "training_args": [
                *(*model, *shapes, *init, *curves, "--seed", str(options.seed), *user, *length)
            ],
            "training_inputs": [
                *(*inputs, names.stats),
                *([self.start.directory] if self.start else init[1:] and [init[1].split(":")[0]]),
            ],
        }

    def _start(self, scored: str, targets: Sequence[str]) -> dict[str, Value]:
        """Return what follows from the model that training starts from, and without one."""
        options, names = self.options, self.directories
        if self.start is None:
            return without_start(names)
        before = self.start.before_args(options, self.lm_texts, self.stages)
        return self.start.variables(options, names, before, [scored, *targets])

    def _needs(self, what: str) -> bool:
        return self.decoding is not None and bool(getattr(self.decoding, f"needs_{what}"))
