"""A local Dask cluster of two workers, started once, where Dask is installed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cluster_work
import pytest

from speechmoe_espnet.pipeline.cluster_config import ClusterConfig
from speechmoe_espnet.pipeline.dask_workers import DaskWorkers
from speechmoe_espnet.pipeline.workers import Job


@pytest.fixture(scope="session")
def cluster_said() -> list[str]:
    return []


@pytest.fixture(scope="session")
def cluster(cluster_said: list[str]) -> Iterator[DaskWorkers]:
    if find_spec("distributed") is None:
        pytest.skip("needs the extra cluster")
    config = ClusterConfig("local", 2, {"dashboard_address": ":0"})
    with DaskWorkers(config, cluster_said.append) as found:
        yield found


@dataclass(frozen=True)
class MortalWorkers:
    """Workers of a cluster, the first of which is killed by its first task.

    Attributes:
        cluster: The cluster.
        marker: A file that does not exist yet; it does once the worker was killed.
    """

    cluster: DaskWorkers
    marker: Path

    @property
    def count(self) -> int:
        return self.cluster.count

    def map(self, job: Job[Any, Any], tasks: Sequence[Any]) -> Iterator[Any]:
        function = partial(cluster_work.die_once, str(self.marker), job.function)
        return self.cluster.map(replace(job, function=function), tasks)


class Suspects:
    """A worker in this process that notes what would be tried alone.

    Attributes:
        names: Names of the parts of each task.
    """

    count = 1

    def __init__(self) -> None:
        self.names: list[list[str]] = []

    def map(self, job: Job[Any, Any], tasks: Sequence[Any]) -> Iterator[Any]:
        assert job.split is not None
        self.names = [list(job.split(task)) for task in tasks]
        return map(job.function, tasks)
