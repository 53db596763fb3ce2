"""Options of a recipe, as its shell script read them, checked against each other.

`utils/recipe_options.sh` declares them with their defaults and their texts; the names here are the
same. What follows from them is in `shell_plan`.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self, get_type_hints

from speechmoe_espnet.corpora.folder import FOLDER
from speechmoe_espnet.corpora.public import OWN
from speechmoe_espnet.corpora.synthetic.presets import ESPEAK, STYLES

LAST_STAGE = 13
SYNTHETIC = "synthetic"
DEV = "dev"
CHAR, BPE, SYLLABLE_PHONE = "char", "bpe", "syllable_phone"
WFST_SEARCH = "wfst"
NO_MODEL = "none"
MAX_NAME = 40
NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.+-]{{0,{MAX_NAME - 1}}}")


@dataclass(frozen=True)
class Options:
    """Options of a recipe; `./run.sh --help` says what each is for.

    Attributes:
        given: Names of the options that the user gave; the others have their defaults.

    Raises:
        ValueError: An option is out of its range, or two of them contradict each other.
    """

    stage: int
    stop_stage: int
    nj: int
    cluster: str
    ngpu: int
    num_processes: int
    num_nodes: int
    num_threads: int
    corpus: str
    corpus_dir: str
    corpus_name: str
    absolute_paths: bool
    skip_bad: str
    preset: str
    voices: str
    voices_dir: str
    seed: int
    search: str
    eval_sets: str
    unknown_marks: str
    simplify: bool
    fbank_config: str
    token_type: str
    nbpe: int
    token_list: str
    asr_config: str
    asr_args: str
    init_param: str
    init_model: str
    tensorboard: bool
    expname: str
    model_dir: str
    inference_model: str
    decode_config: str
    graph_dir: str
    lm_text: str
    lm_transcripts: bool
    lm_order: int
    lm_prune: str
    tune: bool
    tune_config: str
    tuning: str
    rescore: bool
    accept_changes: bool
    lm_config: str
    licence: str
    given: frozenset[str] = field(default=frozenset())

    def __post_init__(self) -> None:
        self._check_stages()
        if not 1 <= self.lm_order <= 5:
            raise ValueError(f"--lm-order {self.lm_order}: from 1 to 5")
        if self.lm_prune and not _is_threshold(self.lm_prune):
            raise ValueError(f"--lm-prune {self.lm_prune}: a number of at least 0, such as 1e-7")
        if not self.lm_transcripts and not self.lm_text:
            raise ValueError("--lm-transcripts false needs --lm-text: there is no other text")
        if self.rescore and not self.tune:
            raise ValueError(
                "--rescore --tune false: rescoring chooses its weights on the n-best lists of "
                "dev, which stage 8 makes"
            )
        if self.tuning and not self.tune:
            raise ValueError(f"--tuning {self.tuning} --tune false: leave one of them out")
        for name, value in (("graph-dir", self.graph_dir), ("tuning", self.tuning)):
            if value and self.rescore:
                raise ValueError(f"--rescore --{name}: rescoring needs the n-best lists of stage 8")
        if self.nj < 1:
            raise ValueError(f"--nj {self.nj}: at least 1")
        self._check_processes()
        self._check_corpus()
        self._check_start()
        if "nbpe" in self.given:
            if self.token_type != BPE:
                raise ValueError(f"--nbpe is for --token-type bpe; the units are {self.token_type}")
            if self.token_list:
                raise ValueError("--nbpe and --token-list: the list of units has its size already")

    def _check_stages(self) -> None:
        for name, value in (("--stage", self.stage), ("--stop-stage", self.stop_stage)):
            if not 1 <= value <= LAST_STAGE:
                raise ValueError(f"{name} {value}: stages are 1 to {LAST_STAGE}")
        if self.stage > self.stop_stage:
            raise ValueError(
                f"--stage {self.stage} --stop-stage {self.stop_stage}: this range runs nothing"
            )

    def _check_processes(self) -> None:
        for name, value, least in (
            ("ngpu", self.ngpu, 0),
            ("num-processes", self.num_processes, 1),
            ("num-nodes", self.num_nodes, 1),
        ):
            if value < least:
                raise ValueError(f"--{name} {value}: at least {least}")
        if self.num_processes > 1 and self.ngpu:
            raise ValueError(
                f"--num-processes {self.num_processes} --ngpu {self.ngpu}: a training on GPUs has "
                f"one process each; leave --num-processes out"
            )

    def _check_start(self) -> None:
        if not self.starts_from:
            return
        for name in ("init_param", "model_dir", "token_list", "token_type", "nbpe", "fbank_config"):
            if name in self.given:
                raise ValueError(
                    f"--{name.replace('_', '-')} and --init-model {self.init_model}: features, "
                    f"tokens and parameters are that model's; leave one of the two out "
                    f"(--init-model none trains from nothing)"
                )

    def _check_corpus(self) -> None:
        if self.corpus_name and not NAME.fullmatch(self.corpus_name):
            raise ValueError(
                f"--corpus-name {self.corpus_name}: a name has letters, digits and any of _.+-"
            )
        if self.corpus == SYNTHETIC:
            if self.skip_bad:
                raise ValueError("--skip-bad is for real corpora; this one has no bad utterances")
            if self.corpus_name:
                raise ValueError("--corpus-name is for real corpora; preset and seed name this one")
            if self.corpus_dir:
                raise ValueError(
                    f"--corpus-dir {self.corpus_dir}: name the corpus that lies there with "
                    "--corpus, e.g. --corpus aishell"
                )
            if "voices_dir" in self.given and self.voices == ESPEAK:
                raise ValueError(
                    f"--voices-dir {self.voices_dir} is not used by --voices {ESPEAK}; "
                    "say --voices kokoro or mixed"
                )
            return
        for name in ("voices", "voices_dir"):
            if name in self.given:
                raise ValueError(
                    f"--{name.replace('_', '-')} is for --corpus {SYNTHETIC}; the speech of "
                    f"{self.corpus} is there"
                )
        if not self.corpus_dir:
            raise ValueError(f"--corpus {self.corpus} needs --corpus-dir{_how_to_get(self.corpus)}")
        if "preset" in self.given:
            raise ValueError(f"--preset is for --corpus synthetic; {self.corpus} has one size")

    @classmethod
    def from_words(cls, words: Iterable[str], given: Iterable[str] = ()) -> Self:
        """Read options from words of the form `name=value`.

        Args:
            words: One a field, in any order.
            given: Names of the options that the user gave.

        Raises:
            ValueError: A name is unknown or missing, or a value is not allowed.
        """
        types = get_type_hints(cls)
        names = [item.name for item in fields(cls) if item.name != "given"]
        values: dict[str, Any] = {}
        for word in words:
            name, equals, text = word.partition("=")
            if not equals or name not in names:
                raise ValueError(f"{word!r}: expected NAME=VALUE of {', '.join(names)}")
            values[name] = _value(name, text, types[name])
        if missing := [name for name in names if name not in values]:
            raise ValueError(f"options without a value: {', '.join(missing)}")
        return cls(**values, given=frozenset(given))

    def changed(self, changes: Mapping[str, str]) -> Self:
        """Return the options with other values, by name."""
        values: Mapping[str, Any] = changes
        return replace(self, **values)

    @property
    def starts_from(self) -> str:
        """The model that the training starts from; empty for none.

        The one that a recipe starts from by default gives way to another start that is given.
        """
        given_way = {"init_param", "model_dir"} & self.given
        if self.init_model == NO_MODEL or (given_way and "init_model" not in self.given):
            return ""
        return self.init_model

    @property
    def is_natural(self) -> bool:
        """Whether natural voices speak in the synthetic corpus."""
        return self.corpus == SYNTHETIC and self.voices != ESPEAK

    @property
    def is_own(self) -> bool:
        """Whether the corpus is the user's own: it promises no sample rate and no channels."""
        return self.corpus in OWN

    @property
    def is_tiny(self) -> bool:
        """Whether the run only shows that all works."""
        return self.corpus == SYNTHETIC and self.preset == "tiny"

    def sets_to_evaluate(self, recipe_sets: Sequence[str]) -> list[str]:
        """Return the sets to decode and to score.

        Args:
            recipe_sets: Styles of the synthetic corpus that belong to the recipe.

        Raises:
            ValueError: A set is unknown or named twice, or there is none.
        """
        known = [*STYLES, DEV] if self.corpus == SYNTHETIC else ["test", DEV]
        default = list(recipe_sets) if self.corpus == SYNTHETIC else ["test"]
        sets = self.eval_sets.split() or default
        if not sets:
            raise ValueError("--eval-sets is empty: nothing to evaluate on")
        for name in sets:
            if name not in known:
                raise ValueError(
                    f"--eval-sets: {name} is not among the sets of {self.corpus}: "
                    f"{', '.join(known)}"
                )
        if len(set(sets)) < len(sets):
            raise ValueError(f"--eval-sets {self.eval_sets}: a set is named twice")
        return sets


def _value(name: str, text: str, kind: type) -> object:
    if kind is bool:
        return text == "true"
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{name}: expected {kind.__name__}, got {text!r}") from None


def _is_threshold(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and float(text) >= 0
    except ValueError:
        return False


def _how_to_get(corpus: str) -> str:
    from speechmoe_espnet.corpora.public import PUBLIC_CORPORA

    if corpus == FOLDER:
        return ": the folder of your recordings, or a .csv or .tsv with the columns path and text"
    entry = PUBLIC_CORPORA.get(corpus)
    if entry is None:
        return ": the directory of train, dev and test"
    return f": the directory it lies in. How to get it: {entry.source}"
