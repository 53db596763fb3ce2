"""Parallel decoding of the batches of a set.

Processes are forked after the model is loaded, so they share it and do not import ESPnet again.
Call `torch.set_num_threads(1)` before loading the model: OpenMP threads do not survive a fork.
"""

import multiprocessing
from collections.abc import Iterator, Sequence

from speechmoe_espnet.decode.recognized import Recognized
from speechmoe_espnet.decode.routing_summary import RoutingTotals
from speechmoe_espnet.inference.recognizer import Recognizer
from speechmoe_espnet.inference.utterances import Utterance
from speechmoe_espnet.pipeline.pool import pool_map

_in_worker: list[Recognizer] = []


def recognize_batches(
    recognizer: Recognizer, batches: Sequence[Sequence[Utterance]], num_processes: int
) -> Iterator[tuple[list[Recognized], RoutingTotals]]:
    """Decode batches.

    Args:
        recognizer: Recogniser that decodes one batch.
        batches: Batches to decode.
        num_processes: Number of processes; 1 decodes in this process.

    Yields:
        The result of each batch, in order.

    Raises:
        ValueError: As `Recognizer.recognize`.
        ChildProcessError: A process was killed.
    """
    if num_processes == 1:
        yield from map(recognizer.recognize, batches)
        return
    yield from pool_map(
        _recognize,
        batches,
        min(num_processes, len(batches)),
        multiprocessing.get_context("fork"),
        initializer=_in_worker.append,
        initargs=(recognizer,),
        kind="decoding",
        cure="a smaller --nj or batch_frames",
    )


def _recognize(batch: Sequence[Utterance]) -> tuple[list[Recognized], RoutingTotals]:
    return _in_worker[0].recognize(batch)
