"""Routing options reach encoders through `moe_conf`; flat keys are read as before."""

import ast
import inspect
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from speechmoe_espnet import encoder as room
from speechmoe_espnet.encoder.options import MOE_KEYS, with_nested_routing
from speechmoe_espnet.encoder.speechmoe_conformer import SpeechMoEConformerEncoder
from speechmoe_espnet.encoder.speechmoe_encoder import SpeechMoEEncoder
from speechmoe_espnet.moe import MoEOptions

SMALL = {"output_size": 32, "linear_units": 48, "num_blocks": 2, "attention_heads": 2}
# Of each option, a value other than its default, and what a layer with experts then has.
OPTIONS = {
    "num_experts": (3, lambda layer: layer.experts.num_experts),
    "moe_blocks": ([2], lambda layer: [2]),
    "top_k": (2, lambda layer: layer.router.top_k),
    "router": ("switch", lambda layer: "speechmoe" if layer.router.embedding_size else "switch"),
    "router_scale": ("straight_through", lambda layer: layer.router_scale),
    "expert_backend": ("loop", lambda layer: layer.experts.backend),
    "routing_warmup": ("soft", lambda layer: layer.routing_warmup),
    "routing_warmup_steps": (7, lambda layer: layer.routing_warmup_steps),
    "router_noise": (0.5, lambda layer: layer.router.noise),
    "router_noise_type": ("jitter", lambda layer: layer.router.noise_type),
    "expert_dropout_rate": (0.3, lambda layer: layer.experts.dropout.p),
    "expert_parallel": (True, lambda layer: layer.experts.parallel),
}
ENCODERS = pytest.mark.parametrize("class_", [SpeechMoEEncoder, SpeechMoEConformerEncoder])


def build(class_, **conf):
    torch.manual_seed(0)
    return class_(40, **SMALL, **conf)


def layers_of(encoder):
    return [block.feed_forward for block in encoder.backbone.blocks]


def test_no_function_of_the_room_names_an_option():
    named = [
        f"{path.name}: {argument.arg}"
        for path in Path(room.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        for argument in (*node.args.args, *node.args.kwonlyargs)
        if argument.arg in MOE_KEYS
    ]
    assert named == []


@ENCODERS
def test_every_option_is_read_from_moe_conf(class_):
    assert set(OPTIONS) == {field.name for field in fields(MoEOptions)}
    for name, (value, found) in OPTIONS.items():
        assert value != getattr(MoEOptions(), name)
        layers = layers_of(build(class_, moe_conf={name: value}))
        assert found(layers[-1]) == value, name
        assert (layers[0].router is None) == (name == "moe_blocks")


@ENCODERS
def test_flat_keys_build_the_same_module_with_one_warning(class_, caplog):
    conf = {name: value for name, (value, _) in OPTIONS.items()}
    nested = build(class_, moe_conf=conf)
    assert not caplog.records
    flat = build(class_, **conf)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.message == (
        "encoder_conf: routing keys outside moe_conf are still read; write moe_conf: "
        "{num_experts: 3, moe_blocks: [2], top_k: 2, router: switch, "
        "router_scale: straight_through, expert_backend: loop, routing_warmup: soft, "
        "routing_warmup_steps: 7, router_noise: 0.5, router_noise_type: jitter, "
        "expert_dropout_rate: 0.3, expert_parallel: True}"
    )
    state = flat.state_dict()
    assert list(state) == list(nested.state_dict())
    assert all(torch.equal(value, state[name]) for name, value in nested.state_dict().items())
    x, lengths = torch.randn(2, 50, 40), torch.tensor([50, 31])
    outputs = []
    for encoder in (nested, flat):
        torch.manual_seed(1)
        outputs.append(encoder.forward_with_routing(x, lengths).encoder_out)
    assert torch.equal(*outputs)


@ENCODERS
def test_flat_keys_and_others_in_moe_conf_add_up(class_, caplog):
    layer = layers_of(build(class_, num_experts=3, moe_conf={"top_k": 2}))[0]
    assert (layer.num_experts, layer.top_k) == (3, 2)
    assert "write moe_conf: {top_k: 2, num_experts: 3}" in caplog.text


def test_routing_keys_move_into_moe_conf():
    conf = {"num_experts": 8, "output_size": 32, "top_k": 1}
    assert with_nested_routing(conf) == {
        "output_size": 32,
        "moe_conf": {"num_experts": 8, "top_k": 1},
    }
    assert with_nested_routing({"output_size": 32}) == {"output_size": 32}
    assert "moe_conf" not in conf


@ENCODERS
@pytest.mark.parametrize(
    ("conf", "message"),
    [
        (
            {"num_experts": 1, "moe_conf": {"num_experts": 4}},
            "num_experts is given twice: 1, and 4 in moe_conf; .*moe_conf.num_experts=VALUE",
        ),
        ({"moe_conf": {"num_expert": 4}}, "moe_conf: unknown key 'num_expert'; allowed: num_exp"),
        ({"moe_conf": 4}, "moe_conf: expected a mapping, got 4"),
        ({"moe_conf": {"router": "omni"}}, "router: 'omni'"),
        ({"moe_conf": {"moe_blocks": [0, 1]}}, r"1 to num_blocks \(2\), got \[0, 1\]"),
        ({"moe_conf": {"moe_blocks": []}}, "moe_blocks: expected a list of blocks"),
        ({"moe_conf": {"moe_blocks": 2}}, "moe_blocks: expected a list of blocks"),
        ({"router_noise": -1.0}, "router_noise: -1.0"),
        ({"expert_dropout_rate": 1.0}, "dropout_rate: 1.0"),
        ({"routing_warmup": "top_3"}, "routing_warmup: 'top_3'"),
        ({"expert_parallel": 8}, "expert_parallel: expected true or false, got 8"),
        ({"expert_parallel": True, "num_experts": 1}, "expert_parallel: .* num_experts is 1"),
        ({"expert_parallel": True, "stochastic_depth_rate": 0.1}, "stochastic_depth_rate: with"),
    ],
)
def test_mistakes_are_named(class_, conf, message):
    with pytest.raises(ValueError, match=message):
        build(class_, **conf)


@ENCODERS
def test_the_signature_shows_one_place_for_routing(class_):
    parameters = inspect.signature(class_).parameters
    assert parameters["moe_conf"].default is None
    assert not set(MOE_KEYS) & set(parameters)
