"""Workers of a local Dask cluster: order, errors, killed workers; and a scheduler that is fake."""

import logging
import os
import stat
import subprocess
import sys
from pathlib import Path

import cluster_work
import pytest

from speechmoe_espnet.pipeline.cluster_config import ClusterConfig
from speechmoe_espnet.pipeline.dask_workers import DaskWorkers, make_cluster
from speechmoe_espnet.pipeline.workers import Job

pytest.importorskip("distributed", reason="needs the extra cluster")

QUIET = {"dashboard_address": ":0"}
KILLS = Job(cluster_work.kill_by, split=cluster_work.split)


def test_results_come_in_order_of_the_tasks(cluster: DaskWorkers, cluster_said: list[str]) -> None:
    assert list(cluster.map(Job(cluster_work.double), range(50))) == list(range(0, 100, 2))
    assert list(cluster.map(Job(cluster_work.double), [])) == []
    assert cluster.count == 2
    assert len(cluster_said) == 1
    assert cluster_said[0].startswith("cluster local: 2 workers, dashboard http://")
    assert not logging.getLogger("distributed.scheduler").isEnabledFor(logging.INFO)


def test_work_is_done_in_the_folder_of_the_command(
    cluster: DaskWorkers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert set(cluster.map(Job(cluster_work.where), [1, 2, 3])) == {str(tmp_path)}


def test_tasks_arrive_as_they_are(cluster: DaskWorkers) -> None:
    tasks: list[object] = [(len, "ab"), [1, (2,)], {"a": [len]}, ("a",), None]
    assert list(cluster.map(Job(cluster_work.same), tasks)) == tasks


def test_workers_keep_freed_memory(cluster: DaskWorkers) -> None:
    assert list(cluster.map(Job(cluster_work.trims), [1])) == [None]


def test_errors_arrive(cluster: DaskWorkers) -> None:
    with pytest.raises(ValueError, match=r"^1 is bad$"):
        list(cluster.map(Job(cluster_work.fail), [1, 2]))


def test_a_killed_worker_is_replaced(cluster: DaskWorkers, tmp_path: Path) -> None:
    tasks = [("a",), (f"once:{tmp_path / 'died'}", "b"), ("c",), ("d", "e")]
    assert list(cluster.map(KILLS, tasks)) == [list(task) for task in tasks]
    assert (tmp_path / "died").exists()


def test_utterances_that_kill_are_left_out(cluster: DaskWorkers) -> None:
    left_out: dict[str, str] = {}

    def without(names: tuple[str, ...], why: dict[str, str]) -> tuple[str, ...]:
        left_out.update(why)
        return cluster_work.without(names, why)

    job = Job(cluster_work.kill_by, split=cluster_work.split, without=without)
    tasks = [("a", "b"), ("c", "kill", "d"), ("e",), ("f", "g")]
    found = list(cluster.map(job, tasks))
    assert found == [["a", "b"], ["c", "left out kill", "d"], ["e"], ["f", "g"]]
    assert left_out.keys() == {"kill"}
    assert "killed 2 workers" in left_out["kill"]


SBATCH = """#!/bin/sh
[ -z "$REFUSED" ] || { echo "sbatch: error: invalid partition" >&2; exit 1; }
for script; do :; done
cp "$script" "$JOBS/script"
setsid sh "$JOBS/script" >"$JOBS/log" 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
touch "$JOBS/cancelled"
kill -- "-$1"
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scheduler whose jobs run here."""
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("JOBS", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", ":".join(path for path in sys.path if path))
    return tmp_path


def slurm_config() -> ClusterConfig:
    options = {"cores": 1, "processes": 1, "memory": "1GB", "queue": "cpu", "interface": "lo"}
    return ClusterConfig("slurm", 1, {**options, "scheduler_options": QUIET})


def test_jobs_of_a_scheduler(slurm: Path) -> None:
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        assert "none of" not in line, (slurm / "log").read_text()

    with DaskWorkers(slurm_config(), say) as workers:
        assert list(workers.map(Job(cluster_work.double), [1, 2])) == [2, 4]
    assert said[0].startswith("cluster slurm: 1 workers, dashboard")
    assert (slurm / "cancelled").exists()


def test_a_refused_job_is_told(slurm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFUSED", "yes")
    with (
        pytest.raises(ValueError, match=r"cluster slurm: .*invalid partition"),
        DaskWorkers(slurm_config(), lambda line: None) as workers,
    ):
        list(workers.map(Job(cluster_work.double), [1]))


@pytest.mark.parametrize(
    ("env", "told"),
    [("slurm", "no program sbatch"), ("kube", "pip install 'dask-kubernetes'")],
)
def test_what_is_not_installed_is_told(
    env: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ValueError, match=told):
        make_cluster(ClusterConfig(env))


def test_dask_is_not_imported_where_no_cluster_is_asked_for() -> None:
    code = (
        "import argparse, sys\n"
        "from speechmoe_espnet.data.worker_options import workers_of\n"
        "from speechmoe_espnet.pipeline.workers import Job\n"
        "import speechmoe_espnet.pipeline.dask_workers\n"
        "with workers_of(argparse.Namespace(cluster=None, nj=1)) as workers:\n"
        "    assert list(workers.map(Job(abs), [-1, 2])) == [1, 2]\n"
        "print([name for name in ('dask', 'distributed', 'dask_jobqueue') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
