"""A training in two processes of the CPU, which divide the experts: killed, resumed, as of one."""

import os
import re
import signal
import time
from pathlib import Path

import pytest
import torch
from project import COMMON, PAUSING, TINY, Project, valid_losses

ALIKE = (
    "--encoder_conf moe_conf.expert_parallel=true --max_epoch 2 --num_iters_per_epoch 3 "
    "--use_matplotlib false --train_dtype float64"
)
STAGE = (*COMMON, "--search", "wfst", "--stage", "5", "--stop-stage", "5", "--asr-config", TINY)
ARGS = (*STAGE, "--asr-args", ALIKE)


def members(recipe: Path) -> list[int]:
    """Process ids of the training in a recipe, the first process first."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            ranks = re.findall(rb"(?:^|\0)RANK=(\d+)", (folder / "environ").read_bytes())
            here = b"speechmoe_espnet.bin.asr_train" in words and (folder / "cwd").samefile(recipe)
        except OSError:
            continue
        if here and ranks:
            found[int(ranks[0])] = int(folder.name)
    return [found[rank] for rank in sorted(found)]


def test_two_processes_train_as_one(tiny_run: Project) -> None:
    recipe = tiny_run.recipe_dir()
    exp = recipe / "exp/synthetic_tiny"
    two = (*ARGS, "--expname", "two", "--num-processes", "2")
    # The first process waits before it writes the first epoch, the second for the first.
    env = {"PYTHONPATH": str(PAUSING), "SPEECHMOE_TEST_PAUSE_AT": "1epoch.pth"}
    process = tiny_run.start(recipe / "run.sh", *two, env=env)
    deadline = time.monotonic() + 300
    while not (exp / "two/checkpoint.pth").exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first, second = members(recipe)
    os.kill(second, signal.SIGKILL)
    begun = time.monotonic()
    output, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert time.monotonic() - begun < 60
    assert "asr_train: error: process 2 of 2 was killed by SIGKILL" in output
    assert not Path(f"/proc/{first}").exists()
    assert not (exp / "two/1epoch.pth").exists()

    tiny_run.run_recipe(*two)
    log = (exp / "two/train.log").read_text()
    assert "The training was resumed using" in log
    # Only the first process writes and logs.
    assert set(re.findall(r"^\[[^:\]]*:(\d/\d)\]", log, re.MULTILINE)) == {"0/2"}
    assert not list((exp / "two").glob("*.tmp.*"))

    tiny_run.run_recipe(*ARGS, "--expname", "one")
    assert valid_losses(exp / "two") == pytest.approx(valid_losses(exp / "one"), rel=1e-6)
    states = [torch.load(exp / name / "valid.loss.ave.pth") for name in ("one", "two")]
    assert states[0].keys() == states[1].keys()
    for key, wanted in states[0].items():
        torch.testing.assert_close(states[1][key], wanted, atol=1e-6, rtol=1e-6, msg=key)
    # An experiment is finished whatever the number of processes.
    assert "up to date" in tiny_run.run_recipe(*ARGS, "--expname", "two")
