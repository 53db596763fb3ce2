"""What follows from --init-model: a training that starts from another model.

Architecture, features, statistics and tokens are that model's; how to train is said by --asr-config
alone. The model is unpacked as an experiment of its own, which is decoded as well, so that the
report shows the error rates before and after.
"""

import contextlib
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speechmoe_espnet.data.stats_file import FEATS_STATS
from speechmoe_espnet.data.yaml_file import read_mapping
from speechmoe_espnet.decode.graph.directory import GRAMMAR
from speechmoe_espnet.decode.tuning_file import TUNING_FILE
from speechmoe_espnet.espnet.experiment_config import DEFAULT_MODEL_FILE, FBANK_FILE
from speechmoe_espnet.recipe.directories import Directories, decoding_name
from speechmoe_espnet.recipe.find_files import Place
from speechmoe_espnet.recipe.recipe_options import BPE, Options
from speechmoe_espnet.recipe.shell_lines import Value
from speechmoe_espnet.zoo.packed_model import GRAPH
from speechmoe_espnet.zoo.unpacking import DECODE_FILE, TOKENS_FILE, TrainedModel

FINETUNE_CONFIG = "conf/finetune.yaml"
ARCHITECTURE = (
    *("encoder", "encoder_conf", "decoder", "decoder_conf", "model", "model_conf", "ctc_conf"),
    *("preencoder", "preencoder_conf", "postencoder", "postencoder_conf", "joint_net_conf"),
)
"""Keys of a configuration that are the model's, not the training's."""
BEFORE = "before"
_OF_SEARCH = {"search", "decode_config", "graph_dir"}
_SCHEDULES = ("alpha_schedule", "beta_schedule")
# Options of the run that the decoding of the model as it is has too.
_FLAGS = {"rescore", "accept_changes", "simplify"}
_KEPT = _FLAGS | {
    *("nj", "ngpu", "num_threads", "corpus_name", "seed", "eval_sets", "preset", "voices"),
    *("lm_order", "lm_prune", "lm_config", "lm_transcripts", "tune", "unknown_marks"),
}
_LAST_SCORED = 11


@dataclass(frozen=True)
class StartModel:
    """A model that a training starts from.

    Attributes:
        model: Its path or name, as the stages are told.
        trained: Its files.
        directory: Where it is unpacked, relative to the recipe.
    """

    model: str
    trained: TrainedModel
    directory: str

    @classmethod
    def find(cls, options: Options, place: Place, corpus: str) -> "StartModel | None":
        """Return the model of --init-model; None where there is none.

        Args:
            options: The run's options.
            place: Its folders.
            corpus: Name of the directories of its corpus.

        Raises:
            ValueError: There is no such model, or no recipe can take it.
        """
        if not (model := options.starts_from):
            return None
        with contextlib.suppress(ValueError):  # a name, not a path
            model = place.find("--init-model", model)
        at = place.absolute(model)
        try:
            trained = TrainedModel.find(at if at.exists() else model)
            trained.tokens  # noqa: B018  an error if they are in no order
        except (FileNotFoundError, ValueError) as error:
            cure = "--init-model none trains from nothing"
            raise ValueError(f"--init-model: {error}; {cure}") from None
        return cls(model, trained, f"exp/{corpus}/start_{trained.name}")

    def changes(self, options: Options) -> dict[str, str]:
        """Return the options that are the model's."""
        found = {
            "token_type": self.trained.token_type,
            "token_list": f"{self.directory}/{TOKENS_FILE}",
            "fbank_config": f"{self.directory}/{FBANK_FILE}",
            "init_param": f"{self.directory}/{DEFAULT_MODEL_FILE}",
        }
        if "asr_config" not in options.given:
            found["asr_config"] = FINETUNE_CONFIG
        if self.trained.decoding is not None and not _OF_SEARCH & options.given:
            found["decode_config"] = f"{self.graph}/{DECODE_FILE}"
            if options.rescore or not self.grammar:
                found["graph_dir"] = self.graph
            elif self.is_weighed and not {"tune", "tuning"} & options.given:
                # A folder may have too few sentences to choose them by.
                found["tuning"] = f"{self.graph}/{TUNING_FILE}"
        return found

    @property
    def graph(self) -> str:
        """Its graph, with how it is searched, where it is unpacked."""
        return f"{self.directory}/{GRAPH}"

    @property
    def grammar(self) -> str:
        """The n-gram of its graph, where it is unpacked; "" if it brings none."""
        graph = self.trained.search.get("graph_dir")
        has = graph is not None and (graph / GRAMMAR).is_file()
        return f"{self.graph}/{GRAMMAR}" if has else ""

    def grammar_for(self, options: Options) -> str:
        """Return the n-gram to mix with that of the texts, which its search then has; "" for none.

        Args:
            options: Options of the run, with what is the model's.
        """
        is_own = options.decode_config == f"{self.graph}/{DECODE_FILE}" and not options.graph_dir
        return self.grammar if is_own else ""

    @property
    def is_weighed(self) -> bool:
        """Whether the model's graph comes with weights."""
        return "tuning" in self.trained.search

    @property
    def is_extended(self) -> bool:
        """Whether new units become tokens; pieces of a SentencePiece model have no more of them."""
        return self.trained.token_type != BPE

    def training_args(self, config: Path) -> list[str]:
        """Return the arguments of asr_train that say what the model is.

        Args:
            config: The training configuration, which must not say it.

        Raises:
            ValueError: It does.
        """
        own = [key for key in ARCHITECTURE if key in read_mapping(config)]
        if own:
            raise ValueError(
                f"--asr-config {config}: has {', '.join(own)}, which is that of --init-model; "
                f"remove it (see {FINETUNE_CONFIG}), or train from nothing by --init-model none"
            )
        args = []
        for key in ARCHITECTURE:
            value = self.trained.conf.get(key)
            if isinstance(value, dict) and value:
                # ESPnet reads a literal of Python; in YAML 1e-05 were no number.
                args += [f"--{key}", _literal(key, _after_warm_up(value))]
            elif isinstance(value, str):
                args += [f"--{key}", value]
        return args

    def _inputs(self) -> list[Path]:
        """Return the files that are unpacked."""
        trained = self.trained
        beside = trained.config_file.parent / FBANK_FILE
        search = dict.fromkeys(trained.search.values())
        fbank = [beside] if beside.is_file() else []
        return [trained.config_file, trained.checkpoint, *fbank, *search]

    def _normalize_args(self) -> list[str]:
        """Return the arguments of asr_train for the statistics of the model."""
        kind = self.trained.conf.get("normalize")
        conf = dict(self.trained.conf.get("normalize_conf") or {})
        if "stats_file" in conf:
            conf["stats_file"] = f"{self.directory}/{FEATS_STATS}"
        args = ["--normalize", str(kind or "none")]
        return [*args, "--normalize_conf", _literal("normalize_conf", conf)] if conf else args

    def variables(
        self, options: Options, names: Directories, before_args: list[str], scored: Sequence[str]
    ) -> dict[str, Value]:
        """Return the variables of `utils/recipe.sh`.

        Args:
            options: Options of the run.
            names: Its directories.
            before_args: Options of the run that decodes the model as it is.
            scored: What the report reads of the experiment: a decoding, and scores in it.
        """
        after = f"{names.expname}={names.exp}"
        found: dict[str, Value] = {
            **without_start(names),
            "start": self.directory,
            "start_model": self.model,
            "start_inputs": list(map(str, self._inputs())),
            "normalize_args": self._normalize_args(),
        }
        if options.inference_model != DEFAULT_MODEL_FILE:
            return found  # the model before has no other checkpoint to compare
        before = decoded = Path(scored[0]).name.removeprefix("decode_")
        if self.grammar_for(options):
            before = decoding_name(options.decode_config, graph=self.graph, tune=options.tune)
        of_before = f"{self.directory}/decode_{before}"
        return found | {
            "before_args": before_args,
            "report_inputs": [
                *(self.directory, *(path.replace(scored[0], of_before, 1) for path in scored))
            ],
            "report_systems": [
                *(f"--system={BEFORE}={self.directory}", f"--system={after}", "--intervals"),
                *("--control", BEFORE, "--candidate", names.expname),
                *(["--decode", f"{BEFORE}={before}"] if before != decoded else []),
            ],
        }

    def before_args(self, options: Options, lm_texts: list[str], stages: list[int]) -> list[str]:
        """Return the options of a run that decodes and scores the model as it is.

        Args:
            options: Options of this run, with paths as the stages see them.
            lm_texts: Its texts for language models, likewise.
            stages: Its stages; where none of them decodes or scores there is nothing to run.
        """
        wanted = [number for number in stages if 9 <= number <= _LAST_SCORED]
        if not wanted:
            return []
        # Its units, and what of them a search needs, are not those of the training.
        first = 3 if wanted[0] == 9 else wanted[0]
        args = [
            *("--stage", str(first), "--stop-stage", str(wanted[-1]), "--corpus", options.corpus),
            *("--model-dir", self.directory, "--token-list", options.token_list),
            *("--token-type", options.token_type, "--fbank-config", options.fbank_config),
            *("--decode-config", options.decode_config, "--lm-text", " ".join(lm_texts)),
        ]
        if options.corpus_dir:
            args += ["--corpus-dir", options.corpus_dir]
        if graph := self.graph if self.grammar_for(options) else options.graph_dir:
            args += ["--graph-dir", graph]
        elif options.tune_config:
            args += ["--tune-config", options.tune_config]
        for name in sorted(options.given & _KEPT):
            option, value = f"--{name.replace('_', '-')}", getattr(options, name)
            if name in _FLAGS:
                args += [option] if value else []
            else:
                args += [option, str(value).lower() if isinstance(value, bool) else str(value)]
        return args


def without_start(names: Directories) -> dict[str, Value]:
    """Return the variables of `utils/recipe.sh` for a training from nothing."""
    stats = f"stats_file={names.stats}/train/{FEATS_STATS}"
    return {
        "start": "",
        "start_model": "",
        "start_inputs": [],
        "before_args": [],
        "normalize_args": ["--normalize", "global_mvn", "--normalize_conf", stats],
        "report_systems": ["--system", f"{names.expname}={names.exp}"],
        "report_inputs": [],
    }


def _after_warm_up(conf: Mapping[str, Any]) -> dict[str, Any]:
    """Return options without what belongs to the first steps of a training from nothing."""
    found = copy.deepcopy(dict(conf))
    if isinstance(experts := found.get("moe_conf"), dict) and experts.get("routing_warmup_steps"):
        experts["routing_warmup_steps"] = 0
    for schedule in _SCHEDULES:
        if points := found.get(schedule):
            found[schedule] = [[0, points[-1][1]]]
    return found


def _literal(key: str, value: Mapping[str, Any]) -> str:
    text = repr(dict(value))
    if "=" in text:
        raise ValueError(f"--init-model: {key} of its configuration has an equals sign: {text}")
    return text
