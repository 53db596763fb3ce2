"""Writer of the decoding results that scoring and reports read."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.data.table import write_table
from speechmoe_espnet.decode.config import DecodeConfig
from speechmoe_espnet.decode.nbest import NBEST_FILE, write_nbest
from speechmoe_espnet.decode.recognized import Recognized
from speechmoe_espnet.decode.resources import Resources
from speechmoe_espnet.decode.routing_summary import RoutingTotals


@dataclass(frozen=True)
class Weights:
    """Weights of a search: the score is `acoustic_scale * A + lm_weight * G + bonus * N`.

    Attributes:
        acoustic_scale: Factor of the acoustic log-probability A.
        lm_weight: Factor of the language model's log-probability G; None without one.
        insertion_bonus: Added for each of N units.
    """

    acoustic_scale: float = 1.0
    lm_weight: float | None = None
    insertion_bonus: float = 0.0

    @classmethod
    def of(cls, config: DecodeConfig) -> "Weights":
        """Return the weights of a configuration."""
        if not (config.needs_graph or config.needs_ngram):
            return cls()
        scale = config.acoustic_scale if config.needs_graph else 1.0
        return cls(scale, config.lm_weight, config.insertion_bonus)


def write_hypotheses(
    directory: Path, results: Sequence[Recognized], weights: Weights | None = None
) -> None:
    """Write recognised utterances, sorted by utterance id.

    Files:
        text: The best hypothesis of each utterance, as it is scored.
        units: Its units, separated by spaces.
        nbest.jsonl: All hypotheses with scores and times.
        ctm: The time of each word in seconds, for a search over words.
        lattice.ark.txt: Lattices, if the search returns them.

    Args:
        directory: Existing output directory.
        results: One entry per utterance.
        weights: Weights that the search applied to its scores.
    """
    ordered = sorted(results, key=lambda result: result.name)
    write_table(directory / "text", {result.name: result.texts[0] for result in ordered})
    write_table(directory / "units", {result.name: result.unit_texts[0] for result in ordered})
    write_nbest(
        directory / NBEST_FILE,
        ((result.name, _hyps(result, weights or Weights())) for result in ordered),
    )
    if any(result.hypotheses[0].words is not None for result in results):
        lines = (line for result in ordered for line in _ctm(result))
        _write_lines(directory / "ctm", lines)
    if any(result.lattice for result in results):
        entries = (f"{result.name}\n{result.lattice}\n" for result in ordered)
        _write_lines(directory / "lattice.ark.txt", entries)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(lines)


def _hyps(result: Recognized, weights: Weights) -> list[dict[str, Any]]:
    hyps = []
    for hyp, text, units in zip(result.hypotheses, result.texts, result.unit_texts, strict=True):
        entry: dict[str, Any] = {
            "text": text,
            "units": units,
            "num_units": len(hyp.units),
            "score": hyp.score,
            "acoustic_score": hyp.acoustic_score,
            "lm_score": hyp.lm_score,
            "acoustic_logp": hyp.acoustic_score / weights.acoustic_scale,
        }
        if weights.lm_weight is not None:
            bonus = weights.insertion_bonus * len(hyp.units)
            entry["lm_logp"] = (hyp.lm_score - bonus) / weights.lm_weight
        if hyp.unit_frames is not None:
            entry["unit_times"] = [_seconds(span, result) for span in hyp.unit_frames]
        if hyp.words is not None:
            entry["words"] = [word.text for word in hyp.words]
            entry["word_times"] = [_seconds((w.start, w.end), result) for w in hyp.words]
        hyps.append(entry)
    return hyps


def _seconds(span: tuple[int, int], result: Recognized) -> list[float]:
    return [round(frame * result.frame_seconds, 3) for frame in span]


def _ctm(result: Recognized) -> list[str]:
    lines = []
    for word in result.hypotheses[0].words or ():
        start, end = _seconds((word.start, word.end), result)
        lines.append(f"{result.name} 1 {start:.3f} {end - start:.3f} {word.text}\n")
    return lines


def write_rtf(
    directory: Path,
    seconds_audio: float,
    seconds_decode: float,
    num_utts: int,
    resources: Resources,
) -> None:
    """Write `rtf.json`.

    Args:
        directory: Existing output directory.
        seconds_audio: Duration of the set in seconds.
        seconds_decode: Wall time in seconds from reading the first input to the last hypothesis,
            without loading the model.
        num_utts: Number of utterances in the set.
        resources: Processes, threads and machine that decoded.
    """
    write_json(
        directory / "rtf.json",
        {
            "seconds_audio": seconds_audio,
            "seconds_decode": seconds_decode,
            "rtf": seconds_decode / seconds_audio,
            "num_utts": num_utts,
            "threads": resources.num_processes * resources.num_threads,
            **dataclasses.asdict(resources),
        },
    )


def write_routing(
    directory: Path, totals: RoutingTotals, example: Mapping[str, NDArray[Any]] | None
) -> None:
    """Write `routing.json` and `routing_example.npz`.

    Args:
        directory: Existing output directory.
        totals: Routing totals of the set; without MoE layers nothing is written.
        example: Arrays of one utterance, or None.
    """
    if not totals.layers:
        return
    write_json(directory / "routing.json", totals.summary())
    if example is not None:
        arrays: dict[str, Any] = dict(example)
        np.savez_compressed(directory / "routing_example.npz", allow_pickle=False, **arrays)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write one JSON object, indented."""
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
