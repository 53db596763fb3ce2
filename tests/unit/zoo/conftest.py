"""An experiment that looks trained, and a cache of its own for every test."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from speechmoe_espnet.zoo.find_model import CACHE_VARIABLE
from speechmoe_espnet.zoo.packing import Source, pack

CONF = {
    "config": "/home/someone/train.yaml",
    "output_dir": "/home/someone/exp",
    "train_data_path_and_name_and_type": [["/home/someone/feats.scp", "speech", "kaldi_ark"]],
    "init_param": [],
    "token_type": "bpe",
    "token_list": ["<blank>", "<unk>", "exp", "一", "<sos/eos>"],
    "bpemodel": "units/bpe.model",
    "input_size": 40,
    "frontend": None,
    "frontend_conf": {},
    "normalize": "global_mvn",
    "normalize_conf": {"stats_file": "exp/stats/train/feats_stats.npz"},
    "encoder": "speechmoe",
    "encoder_conf": {"moe_conf": {"num_experts": 4}},
    "decoder": None,
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An experiment of a recipe, whose statistics and units lie elsewhere in the recipe."""
    recipe = tmp_path / "recipe"
    folder = recipe / "exp/trained"
    (recipe / "exp/stats/train").mkdir(parents=True)
    (recipe / "units").mkdir()
    folder.mkdir()
    sums = {"count": np.array(9), "sum": np.ones(40), "sum_square": np.ones(40)}
    np.savez(recipe / "exp/stats/train/feats_stats.npz", **sums)
    (recipe / "units/bpe.model").write_bytes(b"pieces")
    torch.save({"weight": torch.ones(2)}, folder / "valid.loss.ave.pth")
    (folder / "config.yaml").write_text(yaml.safe_dump(CONF, allow_unicode=True))
    (folder / "fbank.yaml").write_text("num_mel_bins: 40\nlow_freq: 30.0\nresample: true\n")
    monkeypatch.chdir(recipe)
    return folder


@pytest.fixture
def packed(experiment: Path, tmp_path: Path) -> Path:
    """A packed model."""
    folder = tmp_path / "packed/mine"
    pack(Source(experiment, "valid.loss.ave.pth"), folder)
    return folder


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """A folder with files of a graph."""
    folder = tmp_path / "graph"
    folder.mkdir()
    for name in ("HLG.fst", "words.txt", ".done.json"):
        (folder / name).write_text(name)
    (tmp_path / "tuning.json").write_text(json.dumps({"lm_weight": 1}))
    return folder
