"""Every configuration builds, and configurations that are used together match."""

from pathlib import Path

import pytest
import torch
import yaml
from espnet2.bin.asr_inference import get_parser as asr_inference_parser
from models import TOKENS

from speechmoe_espnet.decode.config import METHODS, DecodeConfig
from speechmoe_espnet.espnet.lm_task import CheckpointedLMTask
from speechmoe_espnet.espnet.task import SpeechMoEASRTask
from speechmoe_espnet.grids.grid_file import read_grid
from speechmoe_espnet.recipe.start_model import ARCHITECTURE

CONF = Path(__file__).parents[2] / "conf"
LM_FILES = sorted(CONF.glob("train_lm_*.yaml"))
FILES = sorted({*CONF.glob("train_*.yaml"), *CONF.glob("tune_*.yaml")} - set(LM_FILES))
GRIDS = sorted(CONF.parent.glob("egs/*/asr1/grids/*.yaml"))
ESPNET_FILE = CONF / "decode_espnet.yaml"  # for ESPnet's own command
DECODE_FILES = sorted(set(CONF.glob("decode_*.yaml")) - {ESPNET_FILE})


def build(path, device="meta"):
    args = SpeechMoEASRTask.get_parser().parse_args(["--config", str(path), "--output_dir", "x"])
    args.token_list = TOKENS
    args.input_size = 40
    args.normalize = None
    if args.specaug == "vary":
        device = "cpu"  # computes its tables
    with torch.device(device):
        return SpeechMoEASRTask.build_model(args), args


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_builds(path):
    model, args = build(path)
    (optimizer,) = SpeechMoEASRTask.build_optimizers(args, model)
    assert optimizer.param_groups
    assert sum(p.numel() for p in model.parameters()) > 10_000


def test_fine_tuning_says_how_to_train_any_model():
    """Its architecture comes from the model, on the command line after the configuration."""
    path = CONF / "finetune.yaml"
    assert not set(ARCHITECTURE) & set(load("finetune"))
    words = ["--config", str(path), "--output_dir", "x", "--encoder", "speechmoe"]
    args = SpeechMoEASRTask.get_parser().parse_args(
        [*words, "--encoder_conf", "{'moe_conf': {'num_experts': 3}, 'dropout_rate': 1e-05}"]
    )
    args.token_list, args.input_size, args.normalize = TOKENS, 40, None
    assert args.encoder_conf == {"moe_conf": {"num_experts": 3}, "dropout_rate": 1e-05}
    with torch.device("meta"):
        model = SpeechMoEASRTask.build_model(args)
    assert SpeechMoEASRTask.build_optimizers(args, model)[0].param_groups
    steps = args.max_epoch * args.num_iters_per_epoch
    assert steps == args.scheduler_conf["max_steps"]


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


SHAPE = ("subsampling", "num_blocks", "attention_every", "output_size", "linear_units")


@pytest.mark.parametrize(
    ("pair", "shape"), [("train_{}", SHAPE), ("train_large_{}", ()), ("tune_{}", SHAPE)]
)
def test_static_and_speechmoe_differ_in_routing_alone(pair, shape):
    """Except learning rate and shape, which were tuned for each at equal computation."""
    control, moe = load(pair.format("static")), load(pair.format("speechmoe"))
    encoder = moe.pop("encoder_conf")
    static = control.pop("encoder_conf")
    assert static["moe_conf"].pop("num_experts") == 1
    assert encoder["moe_conf"].pop("num_experts") > 1
    for key in shape:
        assert encoder.pop(key) != static.pop(key)
    assert encoder == static
    losses = {"alpha", "beta", "router_lr_scale"}
    weights, control_weights = moe.pop("model_conf"), control.pop("model_conf")
    assert {k: v for k, v in weights.items() if k not in losses} == control_weights
    for conf in (control, moe):
        conf["optim_conf"].pop("lr")
    assert moe == control


@pytest.mark.parametrize("name", ["static", "speechmoe"])
def test_a_model_is_fine_tuned_as_it_was_trained(name):
    trained, tuned = load(f"train_{name}"), load(f"tune_{name}")
    assert tuned["encoder_conf"].pop("dropout_rate") > trained["encoder_conf"].pop("dropout_rate")
    for key in ("encoder", "encoder_conf", "model_conf"):
        assert trained[key] == tuned[key]


@pytest.mark.parametrize("name", ["train_static", "train_speechmoe", "train_large_static"])
def test_the_schedule_ends_with_the_training(name):
    conf = load(name)
    steps = conf["max_epoch"] * conf["num_iters_per_epoch"]
    assert steps == conf["scheduler_conf"]["max_steps"]


@pytest.mark.parametrize("path", DECODE_FILES, ids=lambda path: path.stem)
def test_decode_configuration_is_read(path):
    config = DecodeConfig.from_yaml(path)
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {name: getattr(config, name) for name in values} == values


def test_decode_configurations_show_every_method():
    assert {DecodeConfig.from_yaml(path).method for path in DECODE_FILES} == set(METHODS)


def test_beam_search_of_espnet_takes_its_options():
    needed = ["--output_dir", "x", "--data_path_and_name_and_type", "feats.scp,speech,kaldi_ark"]
    args = asr_inference_parser().parse_args([*needed, "--config", str(ESPNET_FILE)])
    options = load(ESPNET_FILE.stem)
    assert {name: getattr(args, name) for name in options} == options


@pytest.mark.parametrize("name", ["decode_wfst", "decode_wfst_narrow"])
def test_lists_for_tuning_are_made_by_the_weights_of_the_decoding(name):
    best, lists = (
        DecodeConfig.from_yaml(CONF / f"{stem}.yaml") for stem in (name, f"{name}_nbest")
    )
    assert lists.nbest >= 10
    for key in ("acoustic_scale", "lm_weight", "insertion_bonus", "blank_threshold"):
        assert getattr(lists, key) == getattr(best, key)


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.stem)
def test_every_training_of_a_grid_builds(path, tmp_path):
    systems = {run.label: run for run in read_grid(path).runs()}
    assert len(systems) > 1
    for run in systems.values():
        config = tmp_path / f"{run.experiment}.yaml"
        config.write_text(yaml.safe_dump(run.config()), encoding="utf-8")
        model, args = build(config)
        assert SpeechMoEASRTask.build_optimizers(args, model)
        steps = args.max_epoch * args.num_iters_per_epoch
        assert steps == args.scheduler_conf["max_steps"], run.label
