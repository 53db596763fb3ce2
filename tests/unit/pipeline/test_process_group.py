"""Processes that end together."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from speechmoe_espnet.pipeline.process_group import Failed, Member, run_group

FOREVER = "import time; time.sleep(60)"


def members(*codes: str) -> list[Member]:
    return [Member([sys.executable, "-c", code], os.environ) for code in codes]


def test_all_end_well() -> None:
    assert run_group(members("", "import time; time.sleep(0.3)", "")) is None


@pytest.mark.parametrize(
    ("codes", "failed"),
    [
        ([FOREVER, "exit(3)"], Failed(1, 3)),
        (["exit(2)", FOREVER], Failed(0, 2)),
        # What the failure of another ends afterwards is not to blame.
        (["import time; time.sleep(0.6); exit(1)", "exit(3)"], Failed(1, 3)),
        # Neither is what aborts because another was killed.
        (["import os; os.abort()", "import os; os.kill(os.getpid(), 9)"], Failed(1, -9)),
    ],
)
def test_the_first_that_fails_ends_the_others(codes: list[str], failed: Failed) -> None:
    begun = time.monotonic()
    assert run_group(members(*codes), seconds_to_end=1.0) == failed
    assert time.monotonic() - begun < 20


def test_output_and_environment_are_those_of_each(tmp_path: Path) -> None:
    code = "import os, sys; print(os.environ['RANK']); print('!', file=sys.stderr)"
    paths = [tmp_path / str(rank) for rank in range(2)]
    files = [path.open("wb") for path in paths]
    group = [
        Member([sys.executable, "-c", code], os.environ | {"RANK": str(rank)}, file)
        for rank, file in enumerate(files)
    ]
    assert run_group(group) is None
    for rank, path in enumerate(paths):
        assert sorted(path.read_text().splitlines()) == ["!", str(rank)]


def test_a_killed_parent_ends_the_group(tmp_path: Path) -> None:
    code = f"""
import os, sys
from speechmoe_espnet.pipeline.process_group import Member, run_group
child = "import os, time; open({str(tmp_path)!r} + '/' + str(os.getpid()), 'w'); time.sleep(60)"
run_group([Member([sys.executable, "-c", child], os.environ)] * 2)
"""
    parent = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 30
    while len(list(tmp_path.iterdir())) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    pids = [int(path.name) for path in tmp_path.iterdir()]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    while any(Path(f"/proc/{pid}/cmdline").exists() for pid in pids):
        assert time.monotonic() < deadline, "a process outlived its parent"
        time.sleep(0.05)
