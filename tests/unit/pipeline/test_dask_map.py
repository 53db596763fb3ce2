"""Order of a job on a cluster, and who is blamed for killed workers: with a scheduler in memory."""

import os
import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import cluster_work
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.pipeline.dask_map import DEATHS_ALONE, KILLS, DaskMap
from speechmoe_espnet.pipeline.dask_task import Call
from speechmoe_espnet.pipeline.workers import Job

distributed = pytest.importorskip("distributed", reason="needs the extra cluster")

type Names = tuple[str, ...]


class Future:
    """A task of the cluster."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.work = work
        self.status = "pending"
        self.error: Exception | None = None
        self.told: Callable[[Any], None] = lambda _: None

    def add_done_callback(self, told: Callable[[Any], None]) -> None:
        self.told = told

    def end(self, status: str, error: Exception | None = None) -> None:
        self.status, self.error = status, error
        self.told(self)

    def exception(self) -> Exception | None:
        return self.error

    def result(self) -> object:
        if self.error is not None:
            raise self.error
        return self.work()

    def cancel(self) -> None:
        self.status = "cancelled"


class Cluster:
    """Workers that die with all tasks they have: at those that kill, and at random."""

    def __init__(self, seed: int, num_workers: int, accidents: int) -> None:
        self.random = random.Random(seed)
        self.num_workers, self.accidents = num_workers, accidents
        self.waiting: list[tuple[Future, Names]] = []
        self.most = 0
        self.kills: Counter[str] = Counter()

    def submit(
        self, do: Callable[..., object], folder: str, call: Call[Names, object], *, pure: bool
    ) -> Future:
        assert not pure
        future = Future(lambda: do(folder, call))
        self.waiting.append((future, call.task))
        self.most = max(self.most, len(self.waiting))
        return future

    def work(self) -> None:
        """Let one worker do a task, or die with some."""
        self.random.shuffle(self.waiting)
        future, task = self.waiting.pop()
        killers = [name for name in task if name.startswith("kill")]
        accident = self.accidents > 0 and self.random.random() < 0.3
        if not killers and not accident:
            future.end("finished")
            return
        self.accidents -= not killers
        self.kills.update(killers[:1])
        lost = [(future, task)]
        for _ in range(min(self.random.randrange(3), len(self.waiting))):
            lost.append(self.waiting.pop())
        for each, _ in lost:
            each.end("error", distributed.KilledWorker("task", None, 0))


def say(names: Names) -> list[str]:
    return list(names)


def run(cluster: Cluster, tasks: list[Names], job: Job[Names, list[str]]) -> list[list[str]]:
    class Map(DaskMap[Names, list[str]]):
        def _next(self) -> Any:
            while self.finished.empty():
                cluster.work()
            return super()._next()

    return list(Map(cluster, cluster.num_workers, os.getcwd(), job, tasks))


names = st.sampled_from(["a", "b", "c", "kill1", "kill2"])
several = st.lists(
    st.lists(names, min_size=1, max_size=4, unique=True).map(tuple), min_size=0, max_size=12
)


@given(several, st.integers(0, 99), st.integers(1, 3))
def test_killers_alone_are_left_out(tasks: list[Names], seed: int, num_workers: int) -> None:
    left_out: list[Mapping[str, str]] = []

    def without(task: Names, why: Mapping[str, str]) -> Names:
        left_out.append(why)
        return tuple(name for name in task if name not in why)

    cluster = Cluster(seed, num_workers, 0)
    job = Job(say, split=cluster_work.split, without=without)
    found = run(cluster, tasks, job)
    assert found == [[name for name in task if name in "abc"] for task in tasks]
    assert {name for why in left_out for name in why} == {
        name for task in tasks for name in task if name.startswith("kill")
    }
    assert all(reason == KILLS for why in left_out for reason in why.values())
    assert all(count >= DEATHS_ALONE for count in cluster.kills.values())
    assert cluster.most <= 3 * num_workers


@given(several, st.integers(0, 99), st.integers(1, 3), st.integers(0, 2))
def test_accidents_blame_nobody(
    tasks: list[Names], seed: int, num_workers: int, accidents: int
) -> None:
    good = [tuple(name for name in task if name in "abc") for task in tasks]
    job = Job(say, split=cluster_work.split)
    assert run(Cluster(seed, num_workers, accidents), good, job) == [list(task) for task in good]


def test_an_utterance_that_kills_is_named() -> None:
    with pytest.raises(ChildProcessError, match=f"^kill1: {KILLS}$"):
        run(Cluster(0, 2, 0), [("a",), ("b", "kill1")], Job(say, split=cluster_work.split))


@pytest.mark.parametrize(
    ("split", "told"),
    [
        (None, "^a task killed 2 speech processes of the cluster, perhaps"),
        (lambda task: {}, "^a task killed 2 speech processes of the cluster, perhaps"),
        (lambda task: {"a": ("a",)}, "of the cluster, though none of its utterances does alone"),
    ],
    ids=["no split", "no utterances", "harmless utterances"],
)
def test_a_task_that_kills_by_itself_alone(split: Any, told: str) -> None:
    with pytest.raises(ChildProcessError, match=told):
        run(Cluster(0, 2, 0), [("a",), ("kill1",)], Job(say, kind="speech", split=split))
