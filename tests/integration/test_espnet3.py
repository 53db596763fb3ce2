"""The egs3 recipe under ESPnet3: Lightning trains, ESPnet3's own inference decodes and packs."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from project import ROOT, error_rate

for package in ("lightning", "distributed", "dask_jobqueue"):
    pytest.importorskip(package, reason="needs the packages of the extra espnet3")

CLIP, ALPHA, BETA, GAMMA, SCALE = 0.5, 0.005, 0.03, 0.01, 0.5
STAGES = [
    "create_dataset",
    "train_tokenizer",
    "collect_stats",
    "train",
    "infer",
    "measure",
    "pack_model",
]
TRAINING = {
    "defaults": ["training", "_self_"],
    "create_dataset": {"preset": "tiny", "sets": ["read"], "nj": 1},
    "model": {
        "specaug": None,
        "encoder_conf": {
            "moe_conf": {"num_experts": 4},
            "output_size": 32,
            "linear_units": 64,
            "num_blocks": 2,
            "attention_every": 2,
            "attention_heads": 2,
        },
        "model_conf": {
            "alpha": ALPHA,
            "beta": BETA,
            "gamma": GAMMA,
            "router_lr_scale": SCALE,
            "clip_by_group": True,
        },
    },
    "trainer": {
        "max_epochs": 1,
        "limit_train_batches": 4,
        "log_every_n_steps": 1,
        "gradient_clip_val": CLIP,
        "callbacks": [{"_target_": "probe.Probe", "path": "norms.json"}],
    },
    "dataloader": {"train": {"iter_factory": {"batches": {"type": "unsorted", "batch_size": 4}}}},
}
# Fast even for an untrained model.
INFERENCE = {
    "defaults": ["inference", "_self_"],
    "model": {"beam_size": 1, "maxlenratio": 0.05},
}
PROBE = """
import json
from pathlib import Path

import torch
from lightning.pytorch.callbacks import Callback

from speechmoe_espnet.espnet.parameter_groups import parameter_groups


class Probe(Callback):
    '''Norms of the gradients that the optimizer got: each group's, and the smallest expert's.'''

    def __init__(self, path):
        self.path, self.norms = path, []

    def on_before_zero_grad(self, trainer, pl_module, optimizer):
        groups = parameter_groups(pl_module.model)._asdict()
        if groups["rest"][0].grad is None:
            return
        found = {
            name: torch.cat([p.grad.flatten() for p in parameters]).norm().item()
            for name, parameters in groups.items()
        }
        found["least expert"] = min(
            p.grad.flatten(1).norm(dim=1).min().item() for p in groups["experts"]
        )
        self.norms.append(found)

    def on_train_end(self, trainer, pl_module):
        Path(self.path).write_text(json.dumps(self.norms))
"""
LOAD = """
import sys

import speechmoe_espnet.task
from espnet3.publication.inference_model import InferenceModel
from speechmoe_espnet import Speech2Text

pack, moved, recording = sys.argv[1:]
print("packed:", InferenceModel.from_packed(pack)(recording)["text"])
options = {"beam_size": 1, "maxlenratio": 0.05}
ours = Speech2Text.from_experiment(moved, "valid.loss.ave_1best.pth", **options)
print("ours:", ours(recording)[0][0])
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe with all its stages finished, in one process."""
    recipe = tmp_path_factory.mktemp("espnet3") / "egs3" / "mix" / "esp2_asr"
    shutil.copytree(ROOT / "egs3/mix/esp2_asr", recipe)
    (recipe / "probe.py").write_text(PROBE)
    for name, conf in (("tiny", TRAINING), ("decode", INFERENCE)):
        (recipe / "conf" / f"{name}.yaml").write_text(yaml.safe_dump(conf))
    configs = {
        "training": "tiny",
        "inference": "decode",
        "metrics": "metrics",
        "publication": "publication",
    }
    words = [f"--{role}_config=conf/{name}.yaml" for role, name in configs.items()]
    run(recipe, "run.py", "--stages", *STAGES, *words)
    return recipe


def run(folder: Path, *words: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    return done.stdout


def logged(recipe: Path, key: str) -> list[float]:
    """Values that the training logged, in order."""
    with (recipe / "exp/tiny/metrics/version_0/metrics.csv").open() as file:
        return [float(row[key]) for row in csv.DictReader(file) if row[key]]


def test_routers_learn_at_a_rate_of_their_own(recipe: Path) -> None:
    rest, routers = (logged(recipe, f"lr-AdamW/{group}") for group in ("rest", "routers"))
    assert len(rest) == 4
    assert rest[0] != rest[-1]
    assert routers == pytest.approx([SCALE * rate for rate in rest], rel=1e-4)


@pytest.mark.parametrize("part", ["train", "valid"])
def test_auxiliary_losses_are_logged_and_in_the_loss(recipe: Path, part: str) -> None:
    names = ("loss", "loss_ctc", "loss_embedding", "loss_sparsity", "loss_importance")
    lines = list(zip(*(logged(recipe, f"{part}/{name}") for name in names), strict=True))
    assert lines
    shapes = (recipe / f"exp/stats_char/{part}/feats_shape").read_text().split()[1::2]
    frames = [int(shape.split(",")[0]) / 6 for shape in shapes]
    for loss, ctc, embedding, sparsity, importance in lines:
        mean_frames = (loss - ctc - GAMMA * embedding) / (ALPHA * sparsity + BETA * importance)
        assert min(frames) - 1 < mean_frames < max(frames) + 1


def test_every_expert_gets_a_gradient_and_each_group_is_clipped(recipe: Path) -> None:
    steps = json.loads((recipe / "norms.json").read_text())
    assert len(steps) >= 3
    for norms in steps:
        assert norms["least expert"] > 0
        assert norms["rest"] == pytest.approx(CLIP, rel=1e-3)
        assert 0 < norms["routers"] <= CLIP * 1.001
        assert 0 < norms["experts"] <= CLIP * 1.001
    # Clipped with the rest, their gradients would be a small share of the limit.
    assert max(norms["experts"] for norms in steps) > CLIP / 2


def test_the_average_is_that_of_the_best_checkpoints(recipe: Path) -> None:
    average = torch.load(recipe / "exp/tiny/valid.loss.ave_1best.pth")
    (best,) = recipe.glob("exp/tiny/epoch*_valid.loss.ckpt")
    state = torch.load(best)["state_dict"]
    assert all(torch.equal(value, state[name]) for name, value in average.items())
    assert average.keys() == state.keys()


def test_espnet3_decodes_and_scores(recipe: Path) -> None:
    decoded = recipe / "exp/tiny/decode/read"
    references, hypotheses = decoded / "dataset/text.scp", decoded / "text.scp"
    names = [line.split()[0] for line in (recipe / "data/synthetic/read/text").open()]
    assert [line.split()[0] for line in hypotheses.open()] == sorted(names)
    scores = json.loads((recipe / "exp/tiny/decode/metrics.json").read_text())
    (score,) = scores.values()
    assert score["read"]["CER"] == pytest.approx(error_rate(references, hypotheses), abs=0.01)


def test_a_packed_model_and_a_moved_experiment_load(recipe: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(recipe / "exp/tiny", tmp_path / "moved")
    name, recording = (recipe / "data/synthetic/read/wav.scp").read_text().split()[:2]
    output = run(tmp_path, "-c", LOAD, recipe / "exp/tiny/model_pack", moved, recording)
    texts = dict(line.split(": ", 1) for line in output.splitlines() if line.count(": ") == 1)
    decoded = (recipe / "exp/tiny/decode/read/text.scp").read_text().splitlines()
    for loader in ("packed", "ours"):
        assert f"{name} {texts[loader]}" in decoded, loader
