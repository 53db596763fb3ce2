"""A job on a cluster: in order, with killed workers in mind.

Dask blames every task that a killed worker had, also those that only waited there. So Dask is told
to give up at once, and what to do is decided here: a task is given out again; one that lost two
workers is done alone on the whole cluster. If it loses a third, its utterances are done one by
one, and those that kill two workers alone are named.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from speechmoe_espnet.pipeline.dask_task import Call, do_task
from speechmoe_espnet.pipeline.workers import Job

DEATHS_IN_COMPANY = 2
DEATHS_ALONE = 2
TASKS_A_WORKER = 3
SECONDS_BETWEEN_LOOKS = 5.0
KILLS = f"killed {DEATHS_ALONE} workers of the cluster by itself, perhaps because memory ran out"


class DaskMap[Task, Result]:
    """One job.

    Args:
        client: A `distributed.Client` whose scheduler gives up a task when its worker is killed.
        num_workers: Number of workers that there should be.
        folder: Working folder of the command.
        job: What is done to each task.
        tasks: Arguments, one per call.
        look_after: Called every few seconds while nothing arrives.
    """

    def __init__(
        self,
        client: Any,
        num_workers: int,
        folder: str,
        job: Job[Task, Result],
        tasks: Sequence[Task],
        look_after: Callable[[], None] = lambda: None,
    ) -> None:
        self.client, self.folder, self.job, self.tasks = client, folder, job, tasks
        self.look_after = look_after
        self.window = TASKS_A_WORKER * num_workers
        self.again: list[int] = []
        self.begun = 0
        self.running: dict[Any, int] = {}
        self.finished: SimpleQueue[Any] = SimpleQueue()
        self.deaths: Counter[int] = Counter()
        self.results: dict[int, Callable[[], Result]] = {}

    def __iter__(self) -> Iterator[Result]:
        """Yield the results in the order of the tasks.

        Raises:
            ValueError: An utterance kills workers, and the job does not go on without it.
            ChildProcessError: A task kills workers.
        """
        try:
            for wanted in range(len(self.tasks)):
                while wanted not in self.results:
                    self._step(wanted)
                yield self.results.pop(wanted)()
        finally:
            for future in self.running:
                future.cancel()

    def _step(self, wanted: int) -> None:
        """Give out what can be, or wait for one result."""
        if self._is_suspect(wanted):
            if not self.running:
                self.results[wanted] = self._alone(self.tasks[wanted])
                return
        else:
            while len(self.running) < self.window and self._give_out():
                pass
        future = self._next()
        number = self.running.pop(future)
        outcome = outcome_of(future)
        if outcome is not None:
            self.results[number] = outcome
            return
        self.deaths[number] += 1
        if not self._is_suspect(number):
            self.again.append(number)

    def _is_suspect(self, number: int) -> bool:
        return self.deaths[number] >= DEATHS_IN_COMPANY

    def _give_out(self) -> bool:
        """Give out a task; return whether there was one."""
        if self.again:
            number = self.again.pop(0)
        elif self.begun < len(self.tasks):
            number = self.begun
            self.begun += 1
        else:
            return False
        self.running[self._submit(self.tasks[number])] = number
        return True

    def _submit(self, task: Task) -> Any:
        future = self.client.submit(do_task, self.folder, Call(self.job.function, task), pure=False)
        future.add_done_callback(self.finished.put)
        return future

    def _next(self) -> Any:
        """Wait for a future that has a result or failed."""
        while True:
            try:
                return self.finished.get(timeout=SECONDS_BETWEEN_LOOKS)
            except Empty:
                self.look_after()

    def _done_alone(self, task: Task) -> Callable[[], Result] | None:
        """Do a task while nothing else runs; None if it kills the worker."""
        future = self._submit(task)
        while self._next() is not future:
            pass
        return outcome_of(future)

    def _alone(self, task: Task) -> Callable[[], Result]:
        if found := self._done_alone(task):
            return found
        parts = {} if self.job.split is None else self.job.split(task)
        killers = self._killers(parts)
        if killers and self.job.without is None:
            raise ChildProcessError("; ".join(f"{name}: {why}" for name, why in killers.items()))
        if killers:
            assert self.job.without is not None
            task = self.job.without(task, killers)
        for _ in range(DEATHS_ALONE):
            if found := self._done_alone(task):
                return found
        acquitted = ", though none of its utterances does alone" if parts else ""
        raise ChildProcessError(
            f"a task killed {DEATHS_ALONE} {self.job.kind} processes of the cluster{acquitted}, "
            f"perhaps because memory ran out; give workers more memory"
        )

    def _killers(self, parts: Mapping[str, Task]) -> Mapping[str, str]:
        """Return the utterances that kill their workers, with what they do."""
        found = {}
        for name, part in parts.items():
            if not any(self._done_alone(part) for _ in range(DEATHS_ALONE)):
                found[name] = KILLS
        return found


def outcome_of(future: Any) -> Callable[[], Any] | None:
    """Fetch a result, lest it dies with its worker.

    Returns:
        A function that returns the result or raises the error of the task; None where its worker
        was killed.
    """
    from distributed import KilledWorker

    try:
        result = future.result()
    except KilledWorker:
        return None
    except Exception as error:
        return partial(_raise, error)
    return lambda: result


def _raise(error: Exception) -> None:
    raise error
