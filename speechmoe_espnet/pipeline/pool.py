"""Process pool: workers end with their parent, results come in the order of the tasks."""

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext

from speechmoe_espnet.pipeline.process import end_with_parent
from speechmoe_espnet.pipeline.workers import Job


@dataclass(frozen=True)
class ProcessPool:
    """Processes of this machine.

    Attributes:
        count: Their number; 1 works in this process.

    Raises:
        ValueError: The number is less than 1.
    """

    count: int = 1

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"number of jobs must be at least 1, got {self.count}")

    def map[Task, Result](self, job: Job[Task, Result], tasks: Sequence[Task]) -> Iterator[Result]:
        """Do a job; see `Workers.map`."""
        if self.count == 1 or len(tasks) <= 1:
            yield from map(job.function, tasks)
            return
        count = min(self.count, len(tasks))
        context = multiprocessing.get_context("fork" if job.fork else "forkserver")
        work = partial(pool_map, job.function, tasks, count, context, kind=job.kind, cure=job.cure)
        if not job.fork:
            context.set_forkserver_preload(list(job.preload))
            yield from work()
            return
        # The processes never search for garbage in what they were given.
        gc.freeze()
        try:
            yield from work()
        finally:
            gc.unfreeze()


ONE_PROCESS = ProcessPool()
"""This process alone."""


def pool_map[Task, Result](
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    num_workers: int,
    context: BaseContext,
    *,
    kind: str = "worker",
    cure: str = "fewer jobs",
) -> Iterator[Result]:
    """Apply a function to tasks in processes that end with this one.

    Args:
        function: A module-level function (it is sent to other processes by name).
        tasks: Arguments, one per call.
        num_workers: Number of processes, at least 1.
        context: Start method of the processes.
        kind: Name of the processes in errors.
        cure: Remedy that errors suggest.

    Yields:
        Results in the order of the tasks.

    Raises:
        ChildProcessError: A process was killed.
    """
    with ProcessPoolExecutor(num_workers, mp_context=context, initializer=_begin) as pool:
        try:
            yield from pool.map(function, tasks)
        except BrokenProcessPool as error:
            raise ChildProcessError(
                f"one of {num_workers} {kind} processes died, perhaps because memory ran out; "
                f"try again with {cure}"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _begin() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() == parent.pid:
        # A thread waits in vain while a search in C++ holds the interpreter, and forked workers
        # keep open what tells the ones before them of the end.
        end_with_parent(signal.SIGKILL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "runs in worker processes only"
    wait([parent.sentinel])
    os._exit(1)
