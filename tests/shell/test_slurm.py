"""The sbatch file of a training: it stops on a signal and goes back into the queue."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

SBATCH = Path(__file__).parents[2] / "egs/mix/asr1/slurm/train.sbatch"
RUN = """#!/usr/bin/env bash
trap 'echo stopped >>told; exit 143' TERM
echo "$@" >told
[ -e short ] && exit "$(cat short)"
while :; do sleep 0.05; done
"""
SCONTROL = """#!/usr/bin/env bash
echo "scontrol $*" >>told
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    for name, text in (("run.sh", RUN), ("bin/scontrol", SCONTROL)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    return tmp_path


def start(job: Path) -> subprocess.Popen[bytes]:
    env = os.environ | {
        "PATH": f"{job / 'bin'}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "12",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_GPUS_ON_NODE": "4",
    }
    return subprocess.Popen(["bash", SBATCH, "--seed", "3"], cwd=job, env=env)


@pytest.mark.parametrize("signum", [signal.SIGUSR1, signal.SIGTERM])
def test_a_signal_stops_the_training_and_requeues_the_job(job: Path, signum: int) -> None:
    process = start(job)
    deadline = time.monotonic() + 60
    while not (job / "told").exists() or not (job / "told").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signum)
    assert process.wait(timeout=60) == 0
    assert (job / "told").read_text().splitlines() == [
        "--stage 5 --stop-stage 5 --num-nodes 2 --ngpu 4 --seed 3",
        "stopped",
        "scontrol requeue 12",
    ]


@pytest.mark.parametrize("status", [0, 3])
def test_a_training_that_ends_is_not_requeued(job: Path, status: int) -> None:
    (job / "short").write_text(str(status))
    assert start(job).wait(timeout=60) == status
    assert "scontrol" not in (job / "told").read_text()
