import pytest

pytest.importorskip("lightning", reason="needs the packages of the extra espnet3")

from espnet3.systems.base import training
from espnet3_training import configuration, lightning_module


@pytest.mark.parametrize(
    ("key", "value", "cure"),
    [
        ("optim_conf", {"lr": 0.1}, "ESPnet3 takes optimizer"),
        ("grad_clip", 5.0, "ESPnet3 takes trainer: gradient_clip_val"),
        ("accum_grad", 2, "ESPnet3 takes trainer: accumulate_grad_batches"),
        ("exclude_weight_decay", True, "is for ESPnet2's trainer"),
    ],
)
def test_options_of_espnet2s_trainer_are_refused(key, value, cure):
    with pytest.raises(ValueError, match=f"^model: {key} .*{cure}"):
        lightning_module(model={key: value})


def test_a_misspelt_option_is_named():
    with pytest.raises(
        ValueError, match=r"model: encodr_conf is unknown; did you mean encoder_conf"
    ):
        lightning_module(model={"encodr_conf": {}})


@pytest.mark.parametrize("key", ["vocab_size", "freeze_param", "token_type"])
def test_options_that_espnet3s_recipes_give_pass(key):
    lightning_module(model={key: ["ctc"] if key == "freeze_param" else 13})


@pytest.mark.parametrize("key", ["init_param", "decoder", "encoder_conf", "specaug", "init"])
def test_an_option_beside_model_is_refused(key):
    with pytest.raises(ValueError, match=f"^{key} stands beside model"):
        lightning_module(**{key: ["file.pth"]})


@pytest.mark.parametrize("key", ["max_epoch", "optim", "keep_nbest_models"])
def test_an_option_of_espnet2s_trainer_beside_model_is_refused(key):
    with pytest.raises(ValueError, match=f"^{key} is for ESPnet2's trainer"):
        lightning_module(**{key: 3})


def test_empty_keys_and_names_of_ones_own_pass():
    lightning_module(
        init=None,
        seed=1,
        batch_size=3,
        token_type="char",
        corpus="mine",
        best_model_criterion=[["valid/loss", 1, "min"]],
    )


def test_several_optimizers_are_refused():
    with pytest.raises(ValueError, match="one loss and takes one optimizer"):
        lightning_module(optimizers={"a": {}}, optimizer=None)


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        ({}, "needs trainer: gradient_clip_val.*got None"),
        ({"gradient_clip_val": 0}, "needs trainer: gradient_clip_val.*got 0"),
        (
            {"gradient_clip_val": 1.0, "gradient_clip_algorithm": "value"},
            "gradient_clip_algorithm: norm, got value",
        ),
    ],
)
def test_clipping_by_group_needs_a_norm(trainer, message):
    with pytest.raises(ValueError, match=f"clip_by_group .*{message}"):
        lightning_module({"clip_by_group": True}, trainer=trainer)


def test_checks_of_the_task_hold():
    with pytest.raises(ValueError, match="unknown key 'num_expert'"):
        lightning_module(model={"encoder_conf": {"num_expert": 4}})
    with pytest.raises(ValueError, match="use model: speechmoe"):
        lightning_module(model={"model": "espnet"})


def test_an_encoder_without_options_has_its_own_defaults():
    assert lightning_module(model={"encoder_conf": {}}).model.encoder.output_size() > 0
    given = configuration(model={"encoder": "conformer"})
    del given.model["encoder_conf"]
    model = training._instantiate_model(given)
    assert type(model.encoder).__name__ == "ConformerEncoder"
