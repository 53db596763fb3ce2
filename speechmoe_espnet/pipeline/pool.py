"""Process pool: workers end with their parent, results come in the order of the tasks."""

import gc
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from typing import Protocol


class Progress(Protocol):
    """Function that passes items on and may show the progress."""

    def __call__[T](self, items: Iterable[T], total: int, desc: str) -> Iterator[T]:
        """Yield the items; total is their number, desc their description."""
        ...


def no_progress[T](items: Iterable[T], total: int, desc: str) -> Iterator[T]:
    """Pass items on and show nothing."""
    return iter(items)


def ordered_map[Task, Result](
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    num_workers: int,
    preload: Sequence[str] = (),
    *,
    fork: bool = False,
) -> Iterator[Result]:
    """Apply a function to tasks, several at a time.

    Args:
        function: A module-level function (it is sent to other processes by name).
        tasks: Arguments, one per call.
        num_workers: Number of processes; 1 runs in this process.
        preload: Slow modules that are imported once for all processes.
        fork: Whether processes start as copies of this one and share what it has read; `preload`
            is then not used. Not for a process that computes with torch.

    Yields:
        Results in the order of the tasks, whatever the number of processes.

    Raises:
        ValueError: num_workers is less than 1.
        ChildProcessError: A process was killed.
    """
    if num_workers < 1:
        raise ValueError(f"number of jobs must be at least 1, got {num_workers}")
    if num_workers == 1 or len(tasks) <= 1:
        yield from map(function, tasks)
        return
    num_workers = min(num_workers, len(tasks))
    if fork:
        # The processes never search for garbage in what they were given.
        gc.freeze()
        try:
            yield from pool_map(function, tasks, num_workers, multiprocessing.get_context("fork"))
        finally:
            gc.unfreeze()
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    yield from pool_map(function, tasks, num_workers, context)


def pool_map[Task, Result](
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    num_workers: int,
    context: BaseContext,
    *,
    initializer: Callable[..., None] | None = None,
    initargs: tuple[object, ...] = (),
    kind: str = "worker",
    cure: str = "fewer jobs",
) -> Iterator[Result]:
    """Apply a function to tasks in processes that end with this one.

    Args:
        function: A module-level function (it is sent to other processes by name).
        tasks: Arguments, one per call.
        num_workers: Number of processes, at least 1.
        context: Start method of the processes.
        initializer: Called in each process before its first task, if given.
        initargs: Arguments of the initializer.
        kind: Name of the processes in errors.
        cure: Remedy that errors suggest.

    Yields:
        Results in the order of the tasks.

    Raises:
        ChildProcessError: A process was killed.
    """
    with ProcessPoolExecutor(
        num_workers, mp_context=context, initializer=_begin, initargs=(initializer, initargs)
    ) as pool:
        try:
            yield from pool.map(function, tasks)
        except BrokenProcessPool as error:
            raise ChildProcessError(
                f"one of {num_workers} {kind} processes died, perhaps because memory ran out; "
                f"try again with {cure}"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(initializer: Callable[..., None] | None, initargs: tuple[object, ...]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if initializer is not None:
        initializer(*initargs)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "runs in worker processes only"
    wait([parent.sentinel])
    os._exit(1)
