"""Starting and stopping commands: no signal is lost, no command is left running."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from speechmoe_espnet.pipeline.process import STOPPING_SIGNALS, start, stopping_signals_wait


@pytest.mark.parametrize("signum", STOPPING_SIGNALS)
def test_a_signal_during_the_start_of_a_command_is_not_lost(
    tmp_path: Path, signum: signal.Signals
) -> None:
    code = f"""
import os
from speechmoe_espnet.pipeline.process import Interrupted, start, stopping_signals_raise
with stopping_signals_raise():
    os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), {int(signum)}))
    try:
        start(["sh", "-c", "echo $$ >pid; exec sleep 60"])
    except Interrupted as error:
        print("interrupted by", error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=30
    )
    assert (done.stdout, done.stderr) == (f"interrupted by {signum.name}\n", "")
    pid = tmp_path / "pid"
    if pid.exists() and pid.read_text():  # otherwise it ended before writing
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)


def test_a_command_receives_signals(tmp_path: Path) -> None:
    code = "import signal; print(set(signal.pthread_sigmask(signal.SIG_BLOCK, [])))"
    with (tmp_path / "output").open("wb") as file:
        assert start([sys.executable, "-c", code], stdout=file).wait(timeout=30) == 0
    assert (tmp_path / "output").read_text() == "set()\n"


def test_delayed_signals_can_be_nested() -> None:
    with stopping_signals_wait():
        with stopping_signals_wait():
            assert set(STOPPING_SIGNALS) <= signal.pthread_sigmask(signal.SIG_BLOCK, [])
        assert set(STOPPING_SIGNALS) <= signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert not set(STOPPING_SIGNALS) & signal.pthread_sigmask(signal.SIG_BLOCK, [])
