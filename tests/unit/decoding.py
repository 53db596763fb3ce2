"""Shared helpers for tests of the decode command: runner and inputs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from speechmoe_espnet.bin.decode import main

UNITS = ["<blank>", "<unk>", *"上下中人他们你大好我是来", "<sos/eos>"]
CONF = Path(__file__).parents[2] / "conf"
BINS = 20
CONFORMER = {
    "output_size": 16,
    "attention_heads": 2,
    "linear_units": 16,
    "num_blocks": 1,
    "dropout_rate": 0.0,
}
SPEECHMOE = {**CONFORMER, "num_blocks": 2, "moe_conf": {"num_experts": 4}}
LENGTHS = {"a1": 120, "a2": 61, "b1": 200, "b2": 75, "b3": 119}

ModelMaker = Callable[..., Path]


def write_config(path: Path, **values: Any) -> Path:
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def run(model_dir: Path, config: Path, data_dirs: list[Path], out: Path, *more: str) -> int:
    options = ["--model-dir", str(model_dir), "--config", str(config), "--output_dir", str(out)]
    return main([*options, "--data_dirs", *map(str, data_dirs), *more])


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
