import inspect

import pytest
import torch

from speechmoe_espnet.encoder.speechmoe_conformer import SpeechMoEConformerEncoder
from speechmoe_espnet.encoder.speechmoe_encoder import SpeechMoEEncoder
from speechmoe_espnet.moe import embedding_logits

LENGTHS = torch.tensor([61, 40, 13])
SMALL = {"output_size": 32, "linear_units": 48, "num_blocks": 2, "attention_heads": 2}
PAPER = (SpeechMoEEncoder, {**SMALL, "attention_every": 2})
ENCODERS = {
    "speechmoe": PAPER,
    "speechmoe, strides": (
        SpeechMoEEncoder,
        {
            **SMALL,
            "attention_every": 1,
            "memory_conf": {"look_back": 3, "look_ahead": 2, "look_ahead_stride": 2},
        },
    ),
    "speechmoe, experts above": (SpeechMoEEncoder, {**SMALL, "moe_conf": {"moe_blocks": [2]}}),
    "conformer": (SpeechMoEConformerEncoder, SMALL),
    "conformer, experts below": (
        SpeechMoEConformerEncoder,
        {**SMALL, "moe_conf": {"moe_blocks": [1]}},
    ),
    "conformer, conv2d6": (SpeechMoEConformerEncoder, {**SMALL, "input_layer": "conv2d6"}),
    "conformer, linear": (SpeechMoEConformerEncoder, {**SMALL, "input_layer": "linear"}),
}
EVERY_ENCODER = pytest.mark.parametrize(("class_", "conf"), ENCODERS.values(), ids=ENCODERS.keys())


def batch():
    torch.manual_seed(1)
    return torch.randn(3, int(LENGTHS.max()), 40)


def build(class_, conf, moe_conf=(), **more):
    """An encoder with weights from a fixed seed; `moe_conf` adds to that of `conf`."""
    torch.manual_seed(0)
    conf = {**conf, **more, "moe_conf": {**conf.get("moe_conf", {}), **dict(moe_conf)}}
    return class_(40, **conf)


def moe_blocks(conf):
    return conf.get("moe_conf", {}).get("moe_blocks", range(1, conf["num_blocks"] + 1))


@EVERY_ENCODER
@pytest.mark.parametrize("num_experts", [1, 4])
def test_an_utterance_gives_in_a_batch_what_it_gives_alone(class_, conf, num_experts):
    encoder = build(class_, conf, {"num_experts": num_experts}).eval()
    x = batch()
    out = encoder.forward_with_routing(x, LENGTHS)
    assert out.encoder_out_lens.tolist() == encoder.output_lengths(LENGTHS).tolist()
    assert len(out.routing) == (len(moe_blocks(conf)) if num_experts > 1 else 0)
    for b, length in enumerate(LENGTHS.tolist()):
        alone = encoder.forward_with_routing(x[b : b + 1, :length], LENGTHS[b : b + 1])
        frames = int(out.encoder_out_lens[b])
        assert alone.encoder_out.size(1) == frames
        torch.testing.assert_close(
            out.encoder_out[b, :frames], alone.encoder_out[0], atol=1e-5, rtol=1e-5
        )
        for batched, single in zip(out.routing, alone.routing, strict=True):
            torch.testing.assert_close(
                batched.probs[b, :frames], single.probs[0], atol=1e-5, rtol=1e-5
            )


@EVERY_ENCODER
def test_forward_returns_what_espnet_expects(class_, conf):
    encoder = build(class_, conf).eval()
    out, lengths, third = encoder(batch(), LENGTHS)
    assert out.shape == (3, int(lengths.max()), encoder.output_size())
    assert third is None


@pytest.mark.parametrize("class_", [SpeechMoEEncoder, SpeechMoEConformerEncoder])
def test_defaults_build_from_input_size_alone(class_):
    with torch.device("meta"):
        encoder = class_(40)
    assert encoder.output_size() == 256
    assert {block.feed_forward.num_experts for block in encoder.backbone.blocks} == {4}
    documented = inspect.getdoc(class_)
    for name in inspect.signature(class_).parameters:
        assert f"{name}:" in documented, name


@EVERY_ENCODER
def test_routers_send_no_gradient_into_the_embedding_network(class_, conf):
    encoder = build(class_, conf)
    out = encoder.forward_with_routing(batch(), LENGTHS)
    (out.encoder_out.square().sum() + out.routing[0].probs[..., 0].sum()).backward()
    assert all(p.grad is None for p in encoder.embedding.parameters())
    missing = [name for name, p in encoder.backbone.named_parameters() if p.grad is None]
    assert missing == []


@EVERY_ENCODER
def test_dense_baseline_differs_in_routers_and_number_of_experts_alone(class_, conf):
    static = build(class_, conf, {"num_experts": 1}).state_dict()
    moe = build(class_, conf, {"num_experts": 4}).state_dict()
    assert all("router" in name for name in set(moe) - set(static))
    assert set(static) <= set(moe)
    with_experts = tuple(f"backbone.blocks.{n - 1}.feed_forward.experts." for n in moe_blocks(conf))
    for name, value in static.items():
        if name.startswith(with_experts):
            assert moe[name].shape == (4, *value.shape[1:])
        else:
            assert moe[name].shape == value.shape


def test_paper_model_of_30_30_3_layers_learns_without_diverging():
    encoder = build(SpeechMoEEncoder, {**SMALL, "num_blocks": 30}, {"num_experts": 2})
    assert sum(block.attention is not None for block in encoder.backbone.blocks) == 3
    head = torch.nn.Linear(32, 5)
    parameters = [*encoder.backbone.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    x = batch()
    out = encoder.forward_with_routing(x, LENGTHS)
    assert len(out.routing) == 30
    # What 30 residual blocks must pass on: the sign pattern of the middle of each input window.
    target = x[:, ::3, :3].gt(0).long() @ torch.tensor([1, 1, 2])
    mask = torch.arange(target.size(1)) < out.encoder_out_lens.unsqueeze(1)
    losses = []
    for _ in range(60):
        hidden = encoder.forward_with_routing(x, LENGTHS).encoder_out
        loss = torch.nn.functional.cross_entropy(head(hidden)[mask], target[mask])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 5.0, error_if_nonfinite=True)
        optimizer.step()
        losses.append(loss.item())
    assert max(losses[-10:]) < 0.7 * losses[0]


@pytest.mark.parametrize(
    ("class_", "conf", "message"),
    [
        (SpeechMoEEncoder, {"memory_conf": {"order": 3}}, "memory_conf: unknown key 'order'"),
        (SpeechMoEEncoder, {"embedding_conf": {"layers": 3}}, "embedding_conf: unknown key"),
        (SpeechMoEEncoder, {"embedding_conf": {"memory": 3}}, "use memory_conf"),
        (SpeechMoEEncoder, {"num_blocks": 0}, "num_blocks: 0"),
        (SpeechMoEEncoder, {"attention_every": -1}, "attention_every: -1"),
        (SpeechMoEEncoder, {"attention_heads": 3}, "not a multiple of attention_heads"),
        (SpeechMoEConformerEncoder, {"cnn_module_kernel": 4}, "cnn_module_kernel: 4 is not odd"),
        (SpeechMoEConformerEncoder, {"input_layer": "conv"}, "input_layer: 'conv'"),
        (
            SpeechMoEConformerEncoder,
            {"embedding_conf": {"input_layer": "conv2d6"}},
            "differs from the encoder's",
        ),
    ],
)
def test_mistakes_are_named(class_, conf, message):
    with pytest.raises(ValueError, match=message):
        class_(40, **conf)


def test_unknown_option_is_an_error():
    with pytest.raises(TypeError, match="num_expert"):
        SpeechMoEEncoder(40, num_expert=4)


def trained_for_a_step(encoder):
    """Output, routing and gradients, with dropout from a fixed seed."""
    torch.manual_seed(3)
    out = encoder.forward_with_routing(batch(), LENGTHS)
    probs = torch.stack([layer.probs for layer in out.routing])
    loss = out.encoder_out.square().sum() + out.embedding_out.square().sum() + probs[..., 0].sum()
    loss.backward()
    return out.encoder_out, probs, [p.grad for p in encoder.parameters()]


@EVERY_ENCODER
@pytest.mark.parametrize("noise", [{}, {"router_noise": 0.5}, {"routing_warmup_steps": 1}])
def test_activation_checkpointing_changes_no_value(class_, conf, noise):
    plain = build(class_, conf, noise, dropout_rate=0.1)
    sparing = build(class_, conf, noise, dropout_rate=0.1, activation_checkpointing=True)
    for one, other in zip(trained_for_a_step(plain), trained_for_a_step(sparing), strict=True):
        torch.testing.assert_close(one, other)


@EVERY_ENCODER
@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, 0.2),
        ({"expert_dropout_rate": 0.0}, 0.0),
        ({"expert_dropout_rate": 0.4}, 0.4),
        ({"expert_dropout_rate": 0.4, "num_experts": 1}, 0.2),
    ],
)
def test_experts_may_have_a_dropout_of_their_own(class_, conf, more, expected):
    encoder = build(class_, conf, more, dropout_rate=0.2)
    for block in encoder.backbone.blocks:
        rate = 0.2 if block.feed_forward.router is None else expected
        assert block.feed_forward.experts.active_dropout == rate
        assert block.dropout.p == 0.2
    for block in encoder.embedding.blocks:
        assert block.feed_forward.experts.active_dropout == 0.2


@EVERY_ENCODER
@pytest.mark.parametrize("backend", ["fused", "grouped_mm"])
def test_every_backend_trains_as_the_loop(class_, conf, backend):
    loop = build(class_, conf, {"top_k": 2, "expert_backend": "loop"}, dropout_rate=0.0)
    fast = build(class_, conf, {"top_k": 2, "expert_backend": backend}, dropout_rate=0.0)
    for one, other in zip(trained_for_a_step(loop), trained_for_a_step(fast), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@EVERY_ENCODER
def test_blocks_compile_without_a_graph_break(class_, conf):
    encoder = build(class_, conf).eval()
    plain = encoder.forward_with_routing(batch(), LENGTHS)
    for block in encoder.backbone.blocks:
        block.compile(backend="aot_eager", fullgraph=True, dynamic=True)
    compiled = encoder.forward_with_routing(batch(), LENGTHS)
    torch.testing.assert_close(compiled.encoder_out, plain.encoder_out)


@pytest.mark.parametrize("blocks", [[1, 2, 3], [1, 3], [2]])
def test_embedding_logits_of_all_layers_are_those_of_each(blocks):
    conf = {**SMALL, "num_blocks": 3, "moe_conf": {"moe_blocks": blocks}}
    encoder = build(SpeechMoEEncoder, conf).eval()
    x = batch()
    feats, lengths = encoder.features(x, LENGTHS)
    embedding = encoder.embedding(feats, lengths, None)[0]
    hidden = encoder.backbone.input_layer(feats)
    mask = torch.arange(hidden.size(1)) < lengths.unsqueeze(1)
    alone = []
    for number, block in enumerate(encoder.backbone.blocks, start=1):
        layer = block.feed_forward
        assert layer.num_experts == (4 if number in blocks else 1)
        _, routing = layer(block.norm_feed_forward(hidden), mask, embedding)
        if number in blocks:
            alone.append(routing)
        logits = None
        if layer.router is not None:
            (logits,) = embedding_logits([layer.router], embedding, ~mask)
        hidden, _ = block(hidden, mask, logits)
    stacked = encoder.forward_with_routing(x, LENGTHS).routing
    for one, other in zip(alone, stacked, strict=True):
        torch.testing.assert_close(one.logits, other.logits, atol=1e-5, rtol=1e-5)
