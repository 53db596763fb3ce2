"""Commands run in parallel; if one fails, the others are stopped."""

import time
from pathlib import Path

import pytest

from speechmoe_espnet.bin.side_by_side import main


def test_all_run(tmp_path: Path) -> None:
    meet = "touch {0}/{1}; while [ ! -e {0}/{2} ]; do sleep 0.05; done"
    first, second = meet.format(tmp_path, "a", "b"), meet.format(tmp_path, "b", "a")
    assert main(["--", "sh", "-c", first, "--and", "sh", "-c", second]) == 0


def test_failure_ends_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    begun = time.monotonic()
    assert main(["--", "sleep", "60", "--and", "sh", "-c", "exit 4"]) == 4
    assert time.monotonic() - begun < 10
    assert "sh -c exit 4 failed with status 4" in capsys.readouterr().err


def test_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--", "true", "--and"]) == 2
    assert "a command is missing" in capsys.readouterr().err
    assert main(["--", "no-such-program"]) == 1
    assert "no-such-program" in capsys.readouterr().err
