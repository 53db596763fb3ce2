"""The log of a training becomes a few lines; exit status and signals are passed on."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from speechmoe_espnet.bin.watch_training import Progress, main


def test_lines_of_espnet() -> None:
    progress = Progress()
    assert progress.read("INFO: 3/9epoch started. Estimated time to finish: 2 minutes") is None
    assert progress.state == "epoch 3/9, ends in about 2 minutes"
    assert progress.read("INFO: 3epoch:train:51-100batch: iter_time=0.1, loss=3") is None
    assert progress.state == "epoch 3/9, batch 100, ends in about 2 minutes"
    line = (
        "INFO: 3epoch results: [train] iter_time=0.1, loss_ctc=2.5, loss=3.5, time=2 seconds, "
        "total_count=30, [valid] loss_ctc=4.5, cer_ctc=nan, loss=5.5, time=1 second, total_count=3"
    )
    shown = progress.read(line)
    assert shown == "epoch 3/9: train loss 3.5 loss_ctc 2.5; valid loss 5.5 loss_ctc 4.5"


def test_new_lines_of_the_log_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "train.log"
    log.write_text("1/2epoch started\n1epoch results: [train] loss=9\n")
    text = f"echo '2/2epoch started' >> {log}; echo '2epoch results: [train] loss=8' >> {log}"
    status = main(["--name", "static", "--log", str(log), "--", "sh", "-c", text + "; exit 3"])
    assert status == 3
    output = capsys.readouterr().out
    assert "static: epoch 2/2: train loss 8" in output
    assert "loss 9" not in output


def test_command_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--name", "static", "--log", "x"]) == 2
    assert "no command" in capsys.readouterr().err


def test_stop_ends_the_command(tmp_path: Path) -> None:
    words = ["--name", "x", "--log", str(tmp_path / "log"), "--", "sh", "-c"]
    text = f"trap 'touch {tmp_path}/ended; exit 1' TERM; touch {tmp_path}/ready; sleep 60 & wait"
    watch = subprocess.Popen(
        [sys.executable, "-m", "speechmoe_espnet.bin.watch_training", *words, text]
    )
    while not (tmp_path / "ready").exists():
        time.sleep(0.02)
    watch.send_signal(signal.SIGTERM)
    assert watch.wait(timeout=20) == 128 + signal.SIGTERM
    assert (tmp_path / "ended").exists()
