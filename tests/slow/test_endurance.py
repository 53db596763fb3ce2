"""A whole recipe that is killed at random moments has the results of one that was not."""

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[1] / "endurance.py"


def test_kills_lose_nothing() -> None:
    words = [str(PROGRAM), "--seed", "1", "--kills", "4", "--job", "greedy"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
