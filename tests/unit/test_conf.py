"""Every training configuration builds its model, and the three of the main job fit together."""

from pathlib import Path

import pytest
import torch
import yaml
from models import TOKENS

from speechmoe_espnet.lm_task import CheckpointedLMTask
from speechmoe_espnet.task import SpeechMoEASRTask

CONF = Path(__file__).parents[2] / "conf"
LM_FILES = sorted(CONF.glob("train_lm_*.yaml"))
FILES = sorted({*CONF.glob("train_*.yaml"), *CONF.glob("tune_*.yaml")} - set(LM_FILES))


def build(path):
    args = SpeechMoEASRTask.get_parser().parse_args(["--config", str(path), "--output_dir", "x"])
    args.token_list = TOKENS
    args.input_size = 40
    args.normalize = None
    with torch.device("meta"):
        return SpeechMoEASRTask.build_model(args), args


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_builds(path):
    model, args = build(path)
    (optimizer,) = SpeechMoEASRTask.build_optimizers(args, model)
    assert optimizer.param_groups
    assert sum(p.numel() for p in model.parameters()) > 10_000


@pytest.mark.parametrize("path", LM_FILES, ids=lambda path: path.stem)
def test_language_model_builds(path):
    parser = CheckpointedLMTask.get_parser()
    args = parser.parse_args(["--config", str(path), "--output_dir", "x"])
    args.token_list = TOKENS
    model = CheckpointedLMTask.build_model(args)
    assert CheckpointedLMTask.build_optimizers(args, model)[0].param_groups
    assert args.token_type == "char"
    assert args.max_epoch * args.num_iters_per_epoch == args.scheduler_conf["max_steps"]


def load(name):
    return yaml.safe_load((CONF / f"{name}.yaml").read_text(encoding="utf-8"))


def test_control_and_speechmoe_differ_in_routing_alone():
    control, moe = load("train_static_continued"), load("train_speechmoe")
    encoder = moe.pop("encoder_conf")
    static = control.pop("encoder_conf")
    assert static.pop("num_experts") == 1
    assert encoder.pop("num_experts") > 1
    assert encoder.pop("router_scale") == "straight_through"
    assert encoder == static
    losses = {"alpha", "beta", "router_lr_scale"}
    weights, control_weights = moe.pop("model_conf"), control.pop("model_conf")
    assert {k: v for k, v in weights.items() if k not in losses} == control_weights
    assert moe == control


def test_the_twin_has_the_architecture_it_is_trained_on_with():
    static, control = load("train_static"), load("train_static_continued")
    for key in ("encoder", "encoder_conf", "model_conf"):
        assert static[key] == control[key]


def test_decode_configurations_are_known():
    names = {path.stem for path in CONF.glob("decode_*.yaml")}
    assert names == {"decode_ctc_greedy", "decode_ctc_prefix_beam", "decode_espnet"}
