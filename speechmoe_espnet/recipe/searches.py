"""Searches of a recipe: the units that each accepts, and the stages that it needs."""

from dataclasses import dataclass

from speechmoe_espnet.decode.config import WFST, DecodeConfig
from speechmoe_espnet.decode.tuning_file import TUNING_FILE
from speechmoe_espnet.recipe.directories import Directories
from speechmoe_espnet.recipe.recipe_options import (
    BPE,
    LAST_STAGE,
    SYLLABLE_PHONE,
    WFST_SEARCH,
    Options,
)
from speechmoe_espnet.recipe.shell_lines import Value

_PLAIN = "conf/decode_ctc_greedy.yaml or conf/decode_ctc_prefix_beam.yaml"


def with_search(options: Options) -> dict[str, str]:
    """Return what `--search` and `--preset` mean for other options that the user did not give.

    Args:
        options: Options as they were read.

    Returns:
        Values by name: `token_type`, `decode_config` and `tune_config`, where they change.
    """
    changes = {}
    # What has hardly been trained is searched narrowly, or it takes hours.
    narrow = "_narrow" if options.is_tiny else ""
    if options.search == WFST_SEARCH:
        changes = {
            "token_type": SYLLABLE_PHONE,
            "decode_config": f"conf/decode_wfst{narrow}.yaml",
            "tune_config": f"conf/decode_wfst{narrow}_nbest.yaml",
        }
        if "decode_config" in options.given:
            del changes["tune_config"]
    return {name: value for name, value in changes.items() if name not in options.given}


def tune_config(options: Options, decoding: DecodeConfig) -> str:
    """Return the configuration that writes n-best lists of dev."""
    if options.tune_config:
        return options.tune_config
    return "conf/decode_wfst_nbest.yaml" if decoding.method == WFST else options.decode_config


@dataclass(frozen=True)
class Stages:
    """The stages that a run has.

    Attributes:
        options: The run's options.
        decoding: Its search; None where its stages do not know one.
    """

    options: Options
    decoding: DecodeConfig | None

    def numbers(self) -> list[int]:
        """Return the stages that run, in their order."""
        last = min(self.options.stop_stage, LAST_STAGE)
        return [number for number in range(self.options.stage, last + 1) if self._runs(number)]

    def _runs(self, number: int) -> bool:
        options, decoding = self.options, self.decoding
        if options.model_dir and number in (4, 5, 12, 13):
            return False
        if decoding is not None:
            if number in (6, 7, 8) and not (decoding.needs_graph or decoding.needs_ngram):
                return False
            if number in (6, 7, 8) and options.graph_dir:
                return False
            if number == 7 and not decoding.needs_graph:
                return False
        if number == 8:
            return options.tune and not options.tuning
        return number != 10 or options.rescore

    def check(self) -> None:
        """Refuse a run without stages, and searches that do not go with the units.

        Raises:
            ValueError: There is nothing to run, or two options contradict each other.
        """
        options, decoding = self.options, self.decoding
        numbers = self.numbers()
        asked = f"--stage {options.stage} --stop-stage {options.stop_stage}"
        if not Stages(options, None).numbers():
            raise ValueError(
                f"{asked}: nothing is left to run; --model-dir leaves stages 4, 5,\n12 and 13 out, "
                "--tune false stage 8, and stage 10 runs with --rescore"
            )
        if options.num_threads > 1 and not {5, 8, 9, 10} & set(numbers) and numbers:
            raise ValueError(
                f"--num-threads {options.num_threads}: of these stages each process has one "
                "thread; give them more processes by --nj"
            )
        if decoding is None:
            return
        config = options.decode_config
        if options.graph_dir and not decoding.needs_graph:
            raise ValueError(
                f"--graph-dir {options.graph_dir} --decode-config {config}: method "
                f"{decoding.method} uses no graph"
            )
        if options.tuning and not (decoding.needs_graph or decoding.needs_ngram):
            raise ValueError(
                f"--tuning {options.tuning} --decode-config {config}: method {decoding.method} has "
                f"no language model to weigh"
            )
        if not numbers:
            left_out = "stages 6 to 8, since it needs no language model"
            if decoding.needs_ngram:
                left_out = "stage 7, since it needs no graph"
            raise ValueError(
                f"{asked}: nothing is left to run; {config} (method\n{decoding.method}) leaves "
                f"out {left_out}"
            )
        self._check_units(decoding)
        if 10 in numbers:
            _check_rescoring(config, decoding)

    def _check_units(self, decoding: DecodeConfig) -> None:
        kind, config = self.options.token_type, self.options.decode_config
        if decoding.needs_graph and kind == BPE:
            raise ValueError(
                f"--token-type bpe --decode-config {config}: the lexicon of method "
                f"{decoding.method} is of --token-type syllable_phone or char; decode bpe with "
                f"{_PLAIN}"
            )
        if decoding.needs_ngram and kind in (BPE, SYLLABLE_PHONE):
            raise ValueError(
                f"--token-type {kind} --decode-config {config}: its n-gram is of characters, for "
                f"models\nof --token-type char; decode other units with {_PLAIN}, and "
                "syllable_phone with conf/decode_wfst.yaml"
            )


def _check_rescoring(config: str, decoding: DecodeConfig) -> None:
    if not (decoding.needs_graph or decoding.needs_ngram):
        raise ValueError(
            f"--rescore --decode-config {config}: method {decoding.method} uses no n-gram, whose "
            "weight is chosen\nanew; rescore what conf/decode_wfst_nbest.yaml finds"
        )
    if decoding.nbest <= 1:
        raise ValueError(
            f"--rescore --decode-config {config}: nbest is 1, which leaves nothing to choose "
            "from; take\nconf/decode_wfst_nbest.yaml"
        )


def worker_args(options: Options) -> list[str]:
    """Return the arguments of stages that work in several processes."""
    cluster = ["--cluster", options.cluster] if options.cluster else []
    return ["--nj", str(options.nj), *cluster]


def search_variables(
    options: Options, names: Directories, decoding: DecodeConfig | None, *, is_weighed: bool
) -> dict[str, Value]:
    """Return what decoding is told, as variables of `utils/recipe.sh`.

    Args:
        options: Options of the run.
        names: Its directories.
        decoding: Its search; None where nothing is decoded.
        is_weighed: Whether a given graph has weights in it.
    """
    args, inputs, tuned = [], [], []
    needs_graph = decoding is not None and decoding.needs_graph
    if needs_graph:
        graph = options.graph_dir or names.graph
        args, inputs = ["--graph_dir", graph], [graph]
    elif decoding is not None and decoding.needs_ngram:
        args, inputs = ["--ngram", f"{names.ngram}/lm_pruned.arpa"], [names.ngram]
    if options.tuning:
        tuned = [options.tuning]
    elif options.graph_dir:
        tuned = [f"{options.graph_dir}/{TUNING_FILE}"] if is_weighed and options.tune else []
    elif inputs and options.tune:
        tuned = [f"{names.tune_dir}/weights/{TUNING_FILE}"]
    tuning = [word for path in tuned for word in ("--tuning", path)]
    packed = [*args, "--decode_config", options.decode_config, *tuning]
    # One process uses the GPU.
    workers, ngpu = (["--nj", "1"], "1") if options.ngpu else (worker_args(options), "0")
    processes = [*workers, "--ngpu", ngpu]
    if options.skip_bad:
        processes.append("--skip_bad")
    if options.num_threads:
        processes += ["--num_threads", str(options.num_threads)]
    return {
        "has_lexicon": "true" if needs_graph else "false",
        "search_args": args,
        "search_inputs": inputs,
        "tuning": tuned,
        "tuning_args": tuning,
        "pack_args": packed if needs_graph else [],
        "processes": processes,
        "rescoring_args": [*workers[2:], "--ngpu", ngpu],
    }
