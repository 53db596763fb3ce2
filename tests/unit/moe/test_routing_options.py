import inspect
from dataclasses import fields

import pytest

from speechmoe_espnet.moe import MoEFeedForward, MoEOptions
from speechmoe_espnet.moe.routing_options import DENSE

FIELDS = {field.name for field in fields(MoEOptions)}


def test_the_layer_names_no_option_but_the_number_of_experts():
    assert FIELDS & set(inspect.signature(MoEFeedForward).parameters) == {"num_experts"}


def test_every_option_is_documented():
    assert all(f"{name}:" in inspect.getdoc(MoEOptions) for name in FIELDS)


def test_a_layer_of_options_is_the_layer_of_keywords():
    options = MoEOptions(
        num_experts=3, top_k=2, router="switch", expert_backend="loop", routing_warmup_steps=5
    )
    built = MoEFeedForward.from_options(8, 16, options, embedding_size=4, dropout_rate=0.1)
    written = MoEFeedForward(
        8,
        16,
        3,
        embedding_size=4,
        dropout_rate=0.1,
        top_k=2,
        router="switch",
        backend="loop",
        routing_warmup_steps=5,
    )
    for layer in (built, written):
        assert (layer.num_experts, layer.top_k, layer.embedding_size) == (3, 2, 0)
        assert (layer.experts.backend, layer.routing_warmup_steps) == ("loop", 5)
        assert layer.experts.dropout.p == 0.1


def test_an_unknown_keyword_of_the_layer_is_an_error():
    with pytest.raises(TypeError, match="num_expert"):
        MoEFeedForward(8, 16, 4, num_expert=4)
    with pytest.raises(ValueError, match=r"moe_blocks: \[2\] are blocks of an encoder"):
        MoEFeedForward(8, 16, 4, moe_blocks=[2])


def test_blocks_without_experts_are_dense():
    options = MoEOptions(num_experts=4, top_k=2, moe_blocks=[2], routing_warmup_steps=3)
    with_experts = MoEOptions(num_experts=4, top_k=2, routing_warmup_steps=3)
    assert options.of_block(2) == with_experts.of_block(1) == with_experts
    assert options.of_block(1) == MoEOptions(num_experts=1, routing_warmup_steps=3)
    assert DENSE.of_block(1) == DENSE


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"num_experts": 0}, "num_experts: 0 is less than 1"),
        ({"num_experts": "8"}, "num_experts: expected a whole number, got '8'"),
        ({"top_k": True}, "top_k: expected a whole number, got True"),
        ({"top_k": 5}, r"top_k: 5 is not between 1 and num_experts \(4\)"),
        ({"router": "omni"}, "router: 'omni' is not one of"),
        ({"router_scale": "none"}, "router_scale: 'none' is not one of"),
        ({"expert_backend": "cuda"}, "expert_backend: 'cuda' is not one of"),
        ({"routing_warmup": "top_3"}, "routing_warmup: 'top_3' is not one of"),
        ({"routing_warmup_steps": -1}, "routing_warmup_steps: -1 is less than 0"),
        ({"router_noise": -1.0}, "router_noise: -1.0"),
        ({"router_noise_type": "uniform"}, "router_noise_type: 'uniform'"),
        ({"expert_dropout_rate": 1.0}, r"expert_dropout_rate: 1.0 is not in \[0, 1\)"),
    ],
)
def test_mistakes_are_named(conf, message):
    with pytest.raises(ValueError, match=message):
        MoEOptions(**conf)
