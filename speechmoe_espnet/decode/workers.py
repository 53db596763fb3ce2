"""Shares the batches of a set among processes.

Processes are forked after the model is loaded, so that they share it and none pays for
importing ESPnet again. Call `torch.set_num_threads(1)` before loading a model that is going
to be forked: OpenMP threads do not survive a fork.
"""

import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait

from speechmoe_espnet.decode.recognizer import Recognized, Recognizer
from speechmoe_espnet.decode.routing_summary import RoutingTotals
from speechmoe_espnet.decode.utterances import Utterance

_in_worker: list[Recognizer] = []


def recognize_batches(
    recognizer: Recognizer, batches: Sequence[Sequence[Utterance]], num_processes: int
) -> Iterator[tuple[list[Recognized], RoutingTotals]]:
    """Decode batches.

    Args:
        recognizer: Decodes one batch.
        batches: What to decode.
        num_processes: 1 decodes in this process.

    Yields:
        The result of each batch, in order.

    Raises:
        ValueError: As `Recognizer.recognize`.
        ChildProcessError: A process was killed.
    """
    if num_processes == 1:
        yield from map(recognizer.recognize, batches)
        return
    with ProcessPoolExecutor(
        min(num_processes, len(batches)),
        mp_context=multiprocessing.get_context("fork"),
        initializer=_start,
        initargs=(recognizer,),
    ) as pool:
        try:
            yield from pool.map(_recognize, batches)
        except BrokenProcessPool as error:
            raise ChildProcessError(
                f"one of {num_processes} decoding processes died, perhaps for want of memory; "
                f"try again with a smaller --nj or batch_frames"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _start(recognizer: Recognizer) -> None:
    _in_worker.append(recognizer)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "runs in worker processes only"
    wait([parent.sentinel])
    os._exit(1)


def _recognize(batch: Sequence[Utterance]) -> tuple[list[Recognized], RoutingTotals]:
    return _in_worker[0].recognize(batch)
