"""Runs of a grid: side by side, in order, not twice, and none left running."""

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from shell_grid import ShellWorkplace, make_grid

from speechmoe_espnet.grids.grid import Grid, SystemSpec
from speechmoe_espnet.grids.runner import Runner
from speechmoe_espnet.grids.workplace import Workplace


@pytest.fixture
def record(tmp_path):
    """A file to which runs add lines, and a function that reads them."""
    path = tmp_path / "record"
    path.touch()
    return path, lambda: path.read_text().splitlines()


def test_trains_decodes_and_marks_each_run_once(tmp_path, record):
    path, lines = record
    grid = make_grid(tmp_path, {"a": SystemSpec(), "b": SystemSpec()}, seeds=(0, 1))
    workplace = ShellWorkplace(
        grid, f"echo train {{}} >>{path}", f"echo decode {{}} >>{path}; echo $OMP_NUM_THREADS"
    )
    finished = []
    runner = Runner(grid, workplace, jobs=1, after_each=lambda: finished.append(1))
    outcome = runner.run()
    names = ["grid.a.s0", "grid.b.s0", "grid.a.s1", "grid.b.s1"]
    assert outcome.finished == names
    assert lines() == [f"{step} {name}" for name in names for step in ("train", "decode")]
    assert len(finished) == 4
    assert all(workplace.log(run).read_text() == "1\n" for run in grid.runs())
    again = Runner(grid, workplace, jobs=1).run()
    assert again.finished == names
    assert len(lines()) == 8


def test_what_another_grid_trained_alike_is_only_decoded(tmp_path, record):
    path, lines = record
    grid = make_grid(tmp_path, {"a": SystemSpec()})
    work = (f"echo train {{}} >>{path}", f"echo decode {{}} >>{path}")
    first = Grid(**{**vars(grid), "name": "first", "sets": ["chat"]})
    workplace = ShellWorkplace(first, *work)
    Runner(first, workplace, jobs=1).run()
    experiment = workplace.experiments / "first.a.s0"
    experiment.mkdir(parents=True)
    (experiment / ".done.json").write_text('{"content": "first"}')
    said = []
    runner = Runner(grid, ShellWorkplace(grid, *work), jobs=1, say=said.append)
    outcome = runner.run()
    assert outcome.finished == ["grid.a.s0"]
    assert runner.seconds == []
    assert lines() == ["train first.a.s0", "decode first.a.s0", "decode grid.a.s0"]
    assert any("trained as first.a.s0" in line for line in said)


def test_a_changed_setting_is_trained_again(tmp_path):
    grid = make_grid(tmp_path, {"a": SystemSpec(), "b": SystemSpec()})
    workplace = ShellWorkplace(grid, "true")
    Runner(grid, workplace, jobs=2).run()
    changed = make_grid(tmp_path, {"a": SystemSpec(), "b": SystemSpec(set={"x.y": 1})})
    after = Workplace(changed)
    assert [after.is_finished(run) for run in changed.runs()] == [True, False]


def test_what_is_trained_again_is_not_lent_meanwhile(tmp_path):
    grid = make_grid(tmp_path, {"a": SystemSpec()})
    workplace = ShellWorkplace(grid, "true")
    Runner(grid, workplace, jobs=1).run()
    (workplace.experiments / "grid.a.s0").mkdir(parents=True)
    changed = make_grid(tmp_path, {"a": SystemSpec(set={"x.y": 1})})
    workplace.grid, workplace.lines = changed, ("exit 1",)
    assert Runner(changed, workplace, jobs=1).run().failed
    other = Workplace(Grid(**{**vars(grid), "name": "other"}))
    assert not other.is_finished(other.grid.runs()[0])


def test_a_start_is_part_of_what_a_run_is(tmp_path):
    first = make_grid(tmp_path, {"a": SystemSpec(), "b": SystemSpec(init="a")})
    Runner(first, ShellWorkplace(first, "true"), jobs=1).run()
    second = make_grid(tmp_path, {"a": SystemSpec(set={"x": 1}), "b": SystemSpec(init="a")})
    after = Workplace(second)
    assert [after.is_finished(run) for run in second.runs()] == [False, False]


def test_as_many_as_jobs_run_at_once(tmp_path, record):
    path, lines = record
    grid = make_grid(tmp_path, {name: SystemSpec() for name in "abc"})
    line = f"echo + >>{path}; sleep 1; echo - >>{path}"
    Runner(grid, ShellWorkplace(grid, line), jobs=2).run()
    changes = [1 if line == "+" else -1 for line in lines()]
    assert max(itertools.accumulate(changes)) == 2


def test_what_starts_from_another_waits_for_it(tmp_path, record):
    path, lines = record
    grid = make_grid(tmp_path, {"b": SystemSpec(init="a"), "a": SystemSpec()})
    Runner(grid, ShellWorkplace(grid, f"sleep 0.2; echo {{}} >>{path}"), jobs=2).run()
    assert lines() == ["grid.a.s0", "grid.b.s0"]


def test_a_failed_run_does_not_stop_the_others(tmp_path):
    grid = make_grid(tmp_path, {"a": SystemSpec(), "b": SystemSpec(), "on": SystemSpec(init="a")})
    workplace = ShellWorkplace(grid, "echo the reason; [ {} != grid.a.s0 ]", "echo decoded")
    outcome = Runner(grid, workplace, jobs=1).run()
    assert outcome.finished == ["grid.b.s0"]
    assert "status 1: the reason" in outcome.failed["grid.a.s0"]
    assert "grid.a.s0, from which it starts, failed" in outcome.failed["grid.on.s0"]


def test_a_failed_preparation_ends_the_grid(tmp_path):
    grid = make_grid(tmp_path, {"a": SystemSpec()})
    with pytest.raises(ValueError, match="failed with status 3"):
        Runner(grid, ShellWorkplace(grid, "true", preparation="exit 3"), jobs=1).run()


def test_jobs_must_be_positive(tmp_path):
    grid = make_grid(tmp_path, {"a": SystemSpec()})
    with pytest.raises(ValueError, match="jobs: 0"):
        Runner(grid, Workplace(grid), jobs=0)


def test_an_interrupt_leaves_nothing_running(tmp_path):
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from shell_grid import ShellWorkplace, make_grid
from speechmoe_espnet.grids.grid import SystemSpec
from speechmoe_espnet.grids.runner import Runner
from speechmoe_espnet.pipeline.process import stopping_signals_raise
grid = make_grid(Path({str(tmp_path)!r}), {{"a": SystemSpec()}})
with stopping_signals_raise():
    Runner(grid, ShellWorkplace(grid, "echo $$ >pid; exec sleep 60"), jobs=1).run()
"""
    child = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    _, errors = child.communicate(timeout=30)
    assert child.returncode != 0
    assert b"Interrupted" in errors
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
