import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from speechmoe_espnet.pipeline.pool import ProcessPool
from speechmoe_espnet.pipeline.workers import Job, no_progress

ROOT = Path(__file__).parents[3]

SCRIPT = """
import os, sys, time
from speechmoe_espnet.pipeline.pool import ProcessPool
from speechmoe_espnet.pipeline.workers import Job

def work(seconds):
    open(os.path.join(sys.argv[1], str(os.getpid())), "w").close()
    if sys.argv[2] == "busy":
        sum(range(10**12))  # no other thread of the process runs meanwhile
    time.sleep(seconds)

if __name__ == "__main__":
    list(ProcessPool(2).map(Job(work, fork=sys.argv[3] == "fork"), [60, 60]))
"""


@pytest.mark.parametrize("num_workers", [1, 2])
@pytest.mark.parametrize("fork", [False, True])
def test_order(num_workers: int, fork: bool) -> None:
    assert list(ProcessPool(num_workers).map(Job(abs, fork=fork), [-3, 1, -2])) == [3, 1, 2]


def test_forked_workers_have_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READ_ALREADY", "yes")
    assert list(ProcessPool(2).map(Job(os.getenv, fork=True), ["READ_ALREADY"] * 2)) == [
        "yes",
        "yes",
    ]
    assert gc.get_freeze_count() == 0


def test_errors_arrive() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        list(ProcessPool(2).map(Job(int), ["1", "x", "2"]))


def test_a_killed_worker_is_reported() -> None:
    with pytest.raises(ChildProcessError, match="one of 2 worker processes died"):
        list(ProcessPool(2).map(Job(os._exit), [1, 1]))


def test_no_workers() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        list(ProcessPool(0).map(Job(abs), [1]))


def test_no_progress() -> None:
    assert list(no_progress([1, 2], 2, "numbers")) == [1, 2]


@pytest.mark.parametrize("kind", ["idle fork", "busy fork", "idle forkserver"])
def test_workers_end_with_a_killed_parent(tmp_path: Path, kind: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    (tmp_path / "pids").mkdir()
    parent = subprocess.Popen(
        [sys.executable, script, tmp_path / "pids", *kind.split()],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        pids = wait_for(lambda: sorted(os.listdir(tmp_path / "pids")), 2)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_for(lambda: [pid for pid in pids if not is_alive(int(pid))], 2)


def wait_for(items: Callable[[], list[str]], count: int) -> list[str]:
    deadline = time.monotonic() + 20
    while len(found := items()) < count:
        assert time.monotonic() < deadline, f"only {found}"
        time.sleep(0.05)
    return found


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "zombie" not in Path(f"/proc/{pid}/status").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
