"""Commands on workers of a cluster: log, environment, exit status, and workers that are killed."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from speechmoe_espnet.pipeline.dask_command import DaskCommand
from speechmoe_espnet.pipeline.dask_workers import DaskWorkers
from speechmoe_espnet.pipeline.launch import Launched, launch_here

distributed = pytest.importorskip("distributed", reason="needs the extra cluster")


def status_of(launched: Launched) -> int:
    deadline = time.monotonic() + 60
    while (status := launched.poll()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return status


def test_here_and_there(tmp_path: Path, cluster: DaskWorkers) -> None:
    log = tmp_path / "log"
    command = ["sh", "-c", 'echo "$WHO"; exit 3']
    for launch in (launch_here, lambda *words: DaskCommand(cluster, *words)):
        assert status_of(launch(command, log, {"WHO": "me"})) == 3
    assert log.read_text() == "me\nme\n"


def test_a_command_that_is_stopped(tmp_path: Path) -> None:
    launched = launch_here(["sleep", "60"], tmp_path / "log", {})
    launched.stop()
    assert launched.poll() not in (None, 0)


class Future:
    """A task whose worker was killed, or that ended with a status."""

    def __init__(self, status: int | None) -> None:
        self.status = status

    def done(self) -> bool:
        return True

    def result(self) -> int:
        if self.status is None:
            raise distributed.KilledWorker("task", None, 0)
        return self.status


class Cluster:
    """Workers, by the outcome of each task."""

    def __init__(self, *outcomes: int | None) -> None:
        self.outcomes = list(outcomes)
        self.client = self

    def submit(self, *words: Any, **options: Mapping[str, Any]) -> Future:
        return Future(self.outcomes.pop(0))


@pytest.mark.parametrize(("outcomes", "status"), [((None, 0), 0), ((None, None), 137), ((5,), 5)])
def test_killed_workers(outcomes: tuple[int | None, ...], status: int, tmp_path: Path) -> None:
    workers: Any = Cluster(*outcomes)
    assert status_of(DaskCommand(workers, ["x"], tmp_path / "log", {})) == status
    assert workers.outcomes == []
