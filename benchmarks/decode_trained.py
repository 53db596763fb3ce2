"""Our searches against ESPnet's on a trained model and the utterances of a data directory.

Random models favour some searches and not others, so this comparison is the relevant one: the same
model and utterances, one process, systems in turn. Model and features are in memory before the
measurement; each turn goes from features to text. ESPnet's search is
`asr_inference --ctc_weight 1.0 --beam_size 10` at its fastest batch size.

Error rates are reported with the times, since a fast search with more errors is no improvement.
"""

import argparse
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.decode_systems import Espnet, InMemory, Pipeline, Texts
from benchmarks.result import Row, timed_rows
from benchmarks.timing import Spread, interleave, ratios
from speechmoe_espnet.data.kaldi_dir import check_same_ids
from speechmoe_espnet.data.table import read_table
from speechmoe_espnet.decode.config import CTC_GREEDY, CTC_PREFIX_BEAM, DecodeConfig
from speechmoe_espnet.decode.config import WFST as WFST_METHOD
from speechmoe_espnet.decode.search.factory import Search, make_search
from speechmoe_espnet.decode.unit_text import UnitText
from speechmoe_espnet.espnet.experiment_config import (
    DEFAULT_MODEL_FILE,
    load_config,
    sample_rate,
)
from speechmoe_espnet.inference.experiment import load_model
from speechmoe_espnet.inference.utterances import (
    Utterance,
    list_audio,
    list_features,
    make_batches,
)
from speechmoe_espnet.scoring.cer import pool, score_texts

ROUNDS = 3
BEAM = 10
BATCH_FRAMES = 6000
ESPNET_BATCH_SIZES = (1, 4, 8, 16)
GREEDY, PREFIX_BEAM, FUSED = "greedy", f"prefix beam {BEAM}", f"prefix beam {BEAM} + n-gram"
WFST, WFST_UNITS = "WFST", "WFST (its units)"
UNIT_REFERENCE = "units"
ESPNET = f"ESPnet, beam {BEAM}"
SPEEDUPS = {GREEDY: 20.0, PREFIX_BEAM: 10.0, WFST: 5.0}
"""Required speed of each search, as a multiple of the speed of ESPnet's search."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this comparison."""
    group = parser.add_argument_group("with a trained model (otherwise random ones)")
    group.add_argument("--model_dir", type=Path, help="experiment directory with config.yaml")
    group.add_argument("--model_file", default=DEFAULT_MODEL_FILE, help="checkpoint in --model_dir")
    group.add_argument("--data_dir", type=Path, help="features (or audio) and text of a set")
    group.add_argument(
        "--ref_dir",
        type=Path,
        help="directory whose text is in the model's units (stage 3), for syllable models",
    )
    group.add_argument(
        "--num_utts", type=int, default=100, help="number of utterances, spread evenly over the set"
    )
    group.add_argument("--graph_dir", type=Path, help="decoding graph; adds the WFST search")
    group.add_argument("--wfst_config", type=Path, help="decode YAML of the WFST search")
    group.add_argument(
        "--arpa", type=Path, help="n-gram over tokens; adds a prefix beam search with it"
    )
    group.add_argument("--lm_weight", type=float, default=0.3, help="weight of --arpa")
    group.add_argument(
        "--insertion_bonus", type=float, default=0.0, help="bonus per token, with --arpa"
    )


def run(args: argparse.Namespace) -> list[Row]:
    """Measure.

    Args:
        args: rounds, quick and the options of `add_arguments`.

    Returns:
        Rows of real-time factors, of speed-ups, and of error rates.

    Raises:
        FileNotFoundError: A file of the model or the data directory does not exist.
        ValueError: An option is missing or out of its range, references and utterances do not
            have the same ids, or an utterance is too short for the model.
    """
    _check_options(args)
    conf = load_config(args.model_dir / "config.yaml")
    unit_metric = _unit_metric(args, conf)
    utterances = _choose(args, conf)
    references = {UNIT_REFERENCE: _references(args.ref_dir or args.data_dir, utterances)}
    if args.graph_dir is not None:
        references[WFST] = _references(args.data_dir, utterances)
    units = UnitText(conf["token_list"], conf["token_type"], conf.get("bpemodel"))
    pipeline = Pipeline(load_model(conf, args.model_dir / args.model_file).eval(), units)
    batches = make_batches(utterances, BATCH_FRAMES)
    searches = make_searches(args, units.units, pipeline.model.blank_id)
    systems: dict[str, Callable[[], Texts]] = {
        name: partial(pipeline.recognize, batches, search) for name, search in searches.items()
    }
    espnet = Espnet(args.model_dir, args.model_file, units, BEAM)
    espnet.recognize(utterances[:1], 1)
    sizes = {size: _seconds(partial(espnet.recognize, utterances, size)) for size in _sizes(args)}
    best_size = min(sizes, key=sizes.__getitem__)
    systems[ESPNET] = partial(espnet.recognize, utterances, best_size)

    texts: dict[str, Texts] = {}

    def remember(name: str, recognize: Callable[[], Texts]) -> None:
        texts[name] = recognize()

    turns = {name: partial(remember, name, recognize) for name, recognize in systems.items()}
    seconds = interleave(turns, args.rounds or (1 if args.quick else ROUNDS), warmup=1)
    if WFST in searches:
        texts[WFST_UNITS] = pipeline.recognize(batches, searches[WFST], in_units=True)
    audio = sum(utterance.seconds for utterance in utterances)
    case = f"{args.model_dir.name} on {args.data_dir.name}: {len(utterances)} utts, {audio:.0f} s"
    rows = _time_rows(case, seconds, audio)
    rows += [
        Row(case, "batch size of ESPnet", str(size), "RTF", Spread.of([taken / audio]))
        for size, taken in sizes.items()
    ]
    return rows + _error_rows(case, texts, references, unit_metric)


def make_searches(
    args: argparse.Namespace, tokens: Sequence[str], blank_id: int
) -> dict[str, Search]:
    """Make our searches by name, as `bin.decode` makes them.

    Args:
        args: Options of `add_arguments`.
        tokens: Tokens of the model.
        blank_id: Id of the blank unit.
    """
    make = partial(make_search, tokens=tokens, blank_id=blank_id)
    beam = DecodeConfig(method=CTC_PREFIX_BEAM, beam_size=BEAM)
    searches = {GREEDY: make(DecodeConfig(method=CTC_GREEDY)), PREFIX_BEAM: make(beam)}
    if args.arpa is not None:
        fused = dataclasses.replace(
            beam,
            use_ngram=True,
            lm_weight=args.lm_weight,
            insertion_bonus=args.insertion_bonus,
        )
        searches[FUSED] = make(fused, ngram=args.arpa)
    if args.graph_dir is not None:
        config = DecodeConfig(method=WFST_METHOD)
        if args.wfst_config is not None:
            config = DecodeConfig.from_yaml(args.wfst_config)
        searches[WFST] = make(config, graph_dir=args.graph_dir)
    return searches


def _check_options(args: argparse.Namespace) -> None:
    if args.data_dir is None:
        raise ValueError("--data_dir: missing; --model_dir is measured on the utterances of a set")
    if args.num_utts < 1:
        raise ValueError(f"--num_utts must be at least 1, got {args.num_utts}")
    for name in ("config.yaml", args.model_file):
        if not (args.model_dir / name).is_file():
            raise FileNotFoundError(
                f"no file {args.model_dir / name}; --model_dir must be a finished training "
                f"(stage 5 of a recipe)"
            )


def _choose(args: argparse.Namespace, conf: Mapping[str, Any]) -> list[Utterance]:
    if conf["input_size"] is not None:
        listed = list_features(args.data_dir)
    else:
        listed = list_audio(args.data_dir, sample_rate(dict(conf)))
    number = min(args.num_utts, len(listed))
    chosen = [listed[place * len(listed) // number] for place in range(number)]
    return [InMemory.read(utterance) for utterance in chosen]


def _unit_metric(args: argparse.Namespace, conf: Mapping[str, Any]) -> str:
    if conf["token_type"] != "word":
        return "cer"
    if args.ref_dir is None:
        raise ValueError(
            "--ref_dir: missing; the model writes units that are no text, so name the directory "
            "with the units of --data_dir (stage 3 of a recipe)"
        )
    return "ser"


def _references(directory: Path, utterances: Sequence[Utterance]) -> Texts:
    path = directory / "text"
    table = read_table(path)
    names = {utterance.name: utterance for utterance in utterances}
    found = {name: text for name, text in table.items() if name in names}
    check_same_ids(utterances[0].source, names, path, found)
    return found


def _sizes(args: argparse.Namespace) -> tuple[int, ...]:
    return ESPNET_BATCH_SIZES[:2] if args.quick else ESPNET_BATCH_SIZES


def _seconds(recognize: Callable[[], object]) -> float:
    begin = time.perf_counter()
    recognize()
    return time.perf_counter() - begin


def _time_rows(case: str, seconds: Mapping[str, Sequence[float]], audio: float) -> list[Row]:
    bars = {name: 1 / speedup for name, speedup in SPEEDUPS.items()}
    rows = []
    for row in timed_rows(case, "features to text", seconds, ESPNET, bars):
        value = Spread(*(part / audio for part in dataclasses.astuple(row.value)))
        rows.append(dataclasses.replace(row, unit="RTF", value=value))
    for name, taken in seconds.items():
        speedups = [1 / ratio for ratio in ratios(taken, seconds[ESPNET])]
        rows.append(Row(case, "speed against ESPnet", name, "x", Spread.of(speedups)))
    return rows


def _error_rows(
    case: str, texts: Mapping[str, Texts], references: Mapping[str, Texts], unit_metric: str
) -> list[Row]:
    """Error rates; a search over words is scored against the text of the data directory."""
    counts = {}
    for name, hyps in texts.items():
        refs = references.get(name, references[UNIT_REFERENCE])
        metric = "cer" if name in references else unit_metric
        scores = score_texts(refs, hyps, dict.fromkeys(refs, "all"), metric=metric)
        counts[name] = metric, pool(scores)
    espnet_metric, baseline = counts[ESPNET]
    rows = []
    for name, (metric, count) in counts.items():
        label = "CER" if metric == "cer" else "unit error rate"
        ratio = None
        if metric == espnet_metric and baseline.num_errors:
            ratio = Spread.of([count.num_errors / baseline.num_errors])
        bar = 1.0 if name != ESPNET and ratio else None
        rows.append(Row(case, label, name, "%", Spread.of([count.cer]), ratio, bar))
    return sorted(rows, key=lambda row: row.measure)
