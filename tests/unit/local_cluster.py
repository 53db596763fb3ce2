"""A local Dask cluster of two workers, started once, where Dask is installed."""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from speechmoe_espnet.pipeline.cluster_config import ClusterConfig
from speechmoe_espnet.pipeline.dask_workers import DaskWorkers


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
