"""A small grid through the recipe: stopped, resumed, reported."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import yaml
from project import TINY, Project

GRID = {
    "description": "Two learning rates.",
    "base": TINY,
    "decode_config": "conf/decode_ctc_greedy.yaml",
    "options": {"preset": "tiny"},
    "sets": ["dev"],
    "seeds": [1],
    "axes": {"optim_conf.lr": [0.001, 0.002]},
    "systems": {"static": {"set": {"encoder_conf.moe_conf.num_experts": 1}}},
}


def test_a_grid_is_stopped_resumed_and_reported(tiny_run: Project) -> None:
    recipe = tiny_run.recipe_dir()
    file = recipe / "grids/small.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(yaml.safe_dump(GRID, sort_keys=False))
    command = (sys.executable, "-m", "speechmoe_espnet.bin.grid", file)
    results = recipe / "exp/grids/small"

    process = tiny_run.start(*command)
    deadline = time.monotonic() + 300
    while not (results / "runs.json").exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert "the same command resumes" in output
    assert _rows(results) == ["static (lr=0.001)"]
    before = _times(recipe / "exp/synthetic/small.static.lr0.001.s1")

    output = tiny_run.run(*command)
    assert "1 of 2 runs were finished already" in output
    assert _rows(results) == ["static (lr=0.001)", "static (lr=0.002)"]
    assert _times(recipe / "exp/synthetic/small.static.lr0.001.s1") == before
    assert {path.name for path in results.glob("*.svg")} >= {"loss.svg", "flops.svg"}
    assert "static (lr=0.002)" in (results / "index.html").read_text()
    config = yaml.safe_load(
        (recipe / "exp/synthetic/small.static.lr0.002.s1/config.yaml").read_text()
    )
    assert (config["seed"], config["optim_conf"]["lr"]) == (1, 0.002)
    assert config["encoder_conf"]["moe_conf"]["num_experts"] == 1

    rows = json.loads((results / "runs.json").read_text())
    assert {row["seed"] for row in rows} == {1}
    assert all(row["ser.dev"] > 0 for row in rows)


def _rows(results: Path) -> list[str]:
    return [row["system"] for row in json.loads((results / "runs.json").read_text())]


def _times(experiment: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in sorted(experiment.rglob("*"))}
