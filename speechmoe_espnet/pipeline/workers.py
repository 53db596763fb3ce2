"""Workers, which do the same to many tasks.

A stage does not know whether they are processes of this machine (`pool`) or of a cluster
(`dask_workers`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class Progress(Protocol):
    """Function that passes items on and may show the progress."""

    def __call__[T](self, items: Iterable[T], total: int, desc: str) -> Iterator[T]:
        """Yield the items; total is their number, desc their description."""
        ...


def no_progress[T](items: Iterable[T], total: int, desc: str) -> Iterator[T]:
    """Pass items on and show nothing."""
    return iter(items)


@dataclass(frozen=True)
class Job[Task, Result]:
    """What is done to each of many tasks.

    Attributes:
        function: A module-level function or a `partial` of one (it is sent to other processes by
            name).
        preload: Slow modules that are imported once for all processes of this machine.
        fork: Whether processes of this machine start as copies of this one and share what it has
            read; `preload` is then not used. Not for a process that computes with torch in several
            threads.
        kind: Name of the processes in errors.
        cure: Remedy that errors suggest.
        split: Takes a task apart into its utterances, each a task by itself, by name. On a cluster,
            an utterance that kills its worker is found by it.
        without: Returns a task without the utterances that kill their workers, given why by name.
            None: such an utterance stops the job.
    """

    function: Callable[[Task], Result]
    preload: Sequence[str] = ()
    fork: bool = False
    kind: str = "worker"
    cure: str = "fewer jobs"
    split: Callable[[Task], Mapping[str, Task]] | None = None
    without: Callable[[Task, Mapping[str, str]], Task] | None = None


class Workers(Protocol):
    """Several processes, here or elsewhere.

    Attributes:
        count: Their number.
    """

    @property
    def count(self) -> int:
        """Number of processes."""
        ...

    def map[Task, Result](self, job: Job[Task, Result], tasks: Sequence[Task]) -> Iterator[Result]:
        """Do a job.

        Args:
            job: What is done to each task.
            tasks: Arguments, one per call.

        Yields:
            Results in the order of the tasks, whatever the number of processes.

        Raises:
            ChildProcessError: Processes were killed.
        """
        ...
