"""Shares the batches of a set among processes.

Processes are forked after the model is loaded, so that they share it and none pays for
importing ESPnet again. Call `torch.set_num_threads(1)` before loading a model that is going
to be forked: OpenMP threads do not survive a fork. Each process then starts threads of its own.
"""

import multiprocessing
from collections.abc import Iterator, Sequence

import torch

from speechmoe_espnet.decode.recognized import Recognized
from speechmoe_espnet.decode.routing_summary import RoutingTotals
from speechmoe_espnet.inference.recognizer import Recognizer
from speechmoe_espnet.inference.utterances import Utterance
from speechmoe_espnet.pipeline.pool import pool_map

_in_worker: list[Recognizer] = []


def recognize_batches(
    recognizer: Recognizer,
    batches: Sequence[Sequence[Utterance]],
    num_processes: int,
    num_threads: int = 1,
) -> Iterator[tuple[list[Recognized], RoutingTotals]]:
    """Decode batches.

    Args:
        recognizer: Decodes one batch.
        batches: What to decode.
        num_processes: 1 decodes in this process.
        num_threads: Threads of each of several processes.

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
        initializer=_begin_worker,
        initargs=(recognizer, num_threads),
        kind="decoding",
        cure="a smaller --nj or batch_frames",
    )


def _begin_worker(recognizer: Recognizer, num_threads: int) -> None:
    torch.set_num_threads(num_threads)
    _in_worker.append(recognizer)


def _recognize(batch: Sequence[Utterance]) -> tuple[list[Recognized], RoutingTotals]:
    return _in_worker[0].recognize(batch)
