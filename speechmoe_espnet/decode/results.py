"""Writes what was recognised, in the files that scoring and reports read."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.data.table import write_table
from speechmoe_espnet.decode.recognizer import Recognized
from speechmoe_espnet.decode.routing_summary import RoutingTotals


def write_hypotheses(directory: Path, results: Sequence[Recognized]) -> None:
    """Write `text` (best hypothesis) and `nbest.jsonl`, both sorted by utterance id.

    Args:
        directory: Where to write; it exists.
        results: One entry an utterance.
    """
    by_name = {result.name: result for result in results}
    write_table(directory / "text", {name: r.texts[0] for name, r in by_name.items()})
    lines = []
    for name in sorted(by_name):
        result = by_name[name]
        hyps = [
            {"text": text, "score": score}
            for text, score in zip(result.texts, result.scores, strict=True)
        ]
        lines.append(json.dumps({"utt": name, "hyps": hyps}, ensure_ascii=False) + "\n")
    (directory / "nbest.jsonl").write_text("".join(lines), encoding="utf-8")


def write_rtf(
    directory: Path, seconds_audio: float, seconds_decode: float, num_utts: int, threads: int
) -> None:
    """Write `rtf.json`.

    Args:
        directory: Where to write; it exists.
        seconds_audio: Duration of the set.
        seconds_decode: Wall time from reading the first input to the last hypothesis; loading
            the model is not part of it.
        num_utts: Utterances of the set.
        threads: CPU threads that computed, over all processes.
    """
    write_json(
        directory / "rtf.json",
        {
            "seconds_audio": seconds_audio,
            "seconds_decode": seconds_decode,
            "rtf": seconds_decode / seconds_audio,
            "num_utts": num_utts,
            "threads": threads,
        },
    )


def write_routing(
    directory: Path, totals: RoutingTotals, example: Mapping[str, NDArray[Any]] | None
) -> None:
    """Write `routing.json` and `routing_example.npz`.

    Args:
        directory: Where to write; it exists.
        totals: What the routers did on the set; without layers nothing is written.
        example: Arrays of one utterance, None for none.
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
