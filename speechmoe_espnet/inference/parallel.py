"""Parallel decoding of the batches of a set.

Processes of this machine are forked after the model is loaded, so they share it and do not import
ESPnet again. Call `torch.set_num_threads(1)` before loading the model: OpenMP threads do not
survive a fork. Each process then starts its own threads. Workers of a cluster load the model
themselves.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch

from speechmoe_espnet.decode.hypothesis import Hypothesis
from speechmoe_espnet.decode.recognized import Recognized
from speechmoe_espnet.decode.routing_summary import RoutingTotals
from speechmoe_espnet.inference.recognizer import Recognizer
from speechmoe_espnet.inference.utterances import Utterance
from speechmoe_espnet.pipeline.pool import ONE_PROCESS
from speechmoe_espnet.pipeline.workers import Job, Workers

type Decoded = tuple[list[Recognized], RoutingTotals]
"""Results of a batch, and its routing."""

_loaded: dict[str, Recognizer] = {}
"""Recognisers of this process by key; forked processes have those of their parent."""


@dataclass(frozen=True)
class _Batch:
    """Utterances, and why some of them are left out."""

    utterances: Sequence[Utterance]
    left_out: Mapping[str, str] = field(default_factory=dict)


def recognize_batches(
    recognizer: Recognizer,
    batches: Sequence[Sequence[Utterance]],
    workers: Workers = ONE_PROCESS,
    num_threads: int = 1,
    *,
    load: Callable[[], Recognizer] | None = None,
    skip_bad: bool = False,
) -> Iterator[Decoded]:
    """Decode batches.

    Args:
        recognizer: Recogniser that decodes one batch.
        batches: Batches to decode.
        workers: Processes that decode; one decodes in this process.
        num_threads: Number of threads of each process, if there are several.
        load: Makes the same recogniser in a process that does not share the memory of this one; it
            can be pickled.
        skip_bad: Whether an utterance that kills its worker, of a cluster, gets an empty
            hypothesis and a warning on stderr.

    Yields:
        The result of each batch, in order.

    Raises:
        ValueError: As `Recognizer.recognize`.
        ChildProcessError: A process was killed.
    """
    key = f"{os.getpid()}.{id(recognizer)}"
    _loaded[key] = recognizer
    job = Job(
        partial(_recognize, key, os.getpid(), num_threads, load),
        fork=True,
        kind="decoding",
        cure="a smaller --nj or batch_frames",
        split=_utterances_of,
        without=_without if skip_bad else None,
    )
    try:
        yield from workers.map(job, [_Batch(batch) for batch in batches])
    finally:
        del _loaded[key]


def _recognize(
    key: str, parent: int, num_threads: int, load: Callable[[], Recognizer] | None, batch: _Batch
) -> Decoded:
    if os.getpid() != parent and torch.get_num_threads() != num_threads:
        torch.set_num_threads(num_threads)
    if key not in _loaded:
        assert load is not None, "a worker that was not forked loads its recogniser"
        _loaded.clear()
        _loaded[key] = load()
    if not batch.left_out:
        return _loaded[key].recognize(batch.utterances)
    alive = [utt for utt in batch.utterances if utt.name not in batch.left_out]
    results, totals = _loaded[key].recognize(alive) if alive else ([], RoutingTotals())
    by_name = {result.name: result for result in results}
    return [by_name.get(utt.name) or _empty(utt) for utt in batch.utterances], totals


def _empty(utterance: Utterance) -> Recognized:
    nothing = (Hypothesis((), 0.0),)
    return Recognized(utterance.name, ("",), ("",), nothing, seconds=utterance.seconds)


def _utterances_of(batch: _Batch) -> dict[str, _Batch]:
    return {utt.name: _Batch([utt]) for utt in batch.utterances}


def _without(batch: _Batch, left_out: Mapping[str, str]) -> _Batch:
    for name, why in left_out.items():
        print(f"decode: warning: {name}: {why}; its hypothesis is empty", file=sys.stderr)
    return _Batch(batch.utterances, left_out)
