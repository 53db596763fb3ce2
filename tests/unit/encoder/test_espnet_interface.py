"""What the tests of ESPnet's own encoders check, checked on ours."""

import copy
import pickle

import pytest
import torch
from espnet2.asr.ctc import CTC
from espnet2.legacy.nets.pytorch_backend.transformer.attention import (
    MultiHeadedAttention,
    RelPositionMultiHeadedAttention,
)
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import TooShortUttError
from espnet2.main_funcs.calculate_all_attentions import calculate_all_attentions
from hypothesis import given, settings
from hypothesis import strategies as st
from models import batch as model_batch
from models import build as build_model
from models import hybrid

from speechmoe_espnet.encoder.self_attention import RelativeSelfAttention, SelfAttention
from speechmoe_espnet.encoder.speechmoe_conformer import SpeechMoEConformerEncoder
from speechmoe_espnet.encoder.speechmoe_encoder import SpeechMoEEncoder

SIZE = 16
SMALL = {"output_size": SIZE, "linear_units": 8, "num_blocks": 3, "attention_heads": 2}
KINDS = {SpeechMoEEncoder: {"attention_every": 1}, SpeechMoEConformerEncoder: {}}
EVERY = pytest.mark.parametrize("class_", KINDS)
CONVOLUTIONS = {"conv2d": 4, "conv2d1": 1, "conv2d2": 2, "conv2d6": 6, "conv2d8": 8}
LENGTHS = torch.tensor([61, 40, 17])


def build(class_, input_size=20, **conf):
    torch.manual_seed(0)
    return class_(input_size, **SMALL, **KINDS[class_], **conf)


def inputs(input_size=20, lengths=LENGTHS):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(len(lengths), int(lengths.max()), input_size, generator=generator)


def conditioned(class_, **conf):
    """An encoder conditioned on blocks 1 and 2, with the CTC head of its model."""
    encoder = build(class_, interctc_layer_idx=[2, 1], interctc_use_conditioning=True, **conf)
    encoder.conditioning_layer = torch.nn.Linear(5, SIZE)
    return encoder, CTC(odim=5, encoder_output_size=SIZE)


@EVERY
@pytest.mark.parametrize(
    ("input_layer", "subsampling"), [*CONVOLUTIONS.items(), ("linear", 1), ("embed", 1), (None, 1)]
)
def test_each_input_layer_trains_and_does_not_see_padding(class_, input_layer, subsampling):
    plain = {"deltas": False, "stack": 1, "subsampling": 1}
    encoder = build(class_, SIZE, input_layer=input_layer, dropout_rate=0.0, **plain)
    x = inputs(SIZE)
    if input_layer == "embed":
        x = torch.randint(0, SIZE, (3, 61), generator=torch.Generator().manual_seed(1))
    out = encoder.forward_with_routing(x, LENGTHS)
    (out.encoder_out.sum() + out.embedding_out.sum()).backward()
    without = [name for name, p in encoder.named_parameters() if p.grad is None]
    assert without == []
    encoder.eval()
    whole, lengths, _ = encoder(x, LENGTHS)
    assert whole.shape == (3, int(encoder.output_lengths(LENGTHS).max()), SIZE)
    assert lengths.tolist() == encoder.output_lengths(LENGTHS).tolist()
    assert encoder.subsampling == subsampling
    for b, length in enumerate(LENGTHS.tolist()):
        alone, _, _ = encoder(x[b : b + 1, :length], LENGTHS[b : b + 1])
        torch.testing.assert_close(whole[b, : alone.size(1)], alone[0], atol=1e-5, rtol=1e-5)


@EVERY
@pytest.mark.parametrize("input_layer", CONVOLUTIONS)
def test_the_least_number_of_frames_leaves_one(class_, input_layer):
    encoder = build(class_, input_layer=input_layer).eval()
    least = encoder.backbone.layer.least_frames()
    _, lengths, _ = encoder(inputs(lengths=torch.tensor([least])), torch.tensor([least]))
    assert lengths.tolist() == [1]
    short = torch.tensor([least - 1])
    with pytest.raises(TooShortUttError, match=f"needs at least {least} frames"):
        encoder(inputs(lengths=short), short)


@EVERY
def test_blocks_of_intermediate_ctc_return_normalised_outputs(class_):
    encoder = build(class_, interctc_layer_idx=[2, 1]).eval()
    (out, taps), lengths, third = encoder(inputs(), LENGTHS)
    assert third is None
    assert [number for number, _ in taps] == [1, 2]
    assert torch.equal(out, build(class_).eval()(inputs(), LENGTHS)[0])
    for number, hidden in taps:
        assert torch.equal(hidden, encoder(inputs(), LENGTHS, max_layer=number)[0][0])
    assert out.shape == hidden.shape
    assert lengths.tolist() == encoder.output_lengths(LENGTHS).tolist()


@EVERY
def test_conditioning_adds_the_posteriors_and_trains_their_layer(class_):
    encoder, ctc = conditioned(class_)
    encoder.eval()
    out = encoder.forward_with_routing(inputs(), LENGTHS, ctc=ctc)
    out.encoder_out[..., 0].square().sum().backward()
    assert encoder.conditioning_layer.weight.grad.any()
    assert ctc.ctc_lo.weight.grad.any()
    plain = build(class_, interctc_layer_idx=[1, 2]).eval()
    plain = plain.forward_with_routing(inputs(), LENGTHS)
    # The first tap is before the first conditioning, the second one behind it.
    (_, first), (_, second) = out.intermediate_outs
    torch.testing.assert_close(first, plain.intermediate_outs[0][1])
    assert not torch.allclose(second, plain.intermediate_outs[1][1])
    with pytest.raises(ValueError, match="needs the model's CTC head: call the encoder with ctc="):
        encoder(inputs(), LENGTHS)


@EVERY
@settings(max_examples=15)
@given(max_layer=st.integers(0, 5), ctc=st.booleans(), return_all_hs=st.booleans())
def test_blocks_up_to_max_layer_run_and_all_are_returned(class_, max_layer, ctc, return_all_hs):
    encoder, head = conditioned(class_)
    if not ctc:
        encoder = build(class_)
    encoder.eval()
    ran = min(max_layer, 3)
    with torch.no_grad():
        options = {"ctc": head, "return_all_hs": return_all_hs}
        first, lengths, _ = encoder(inputs(), LENGTHS, max_layer=max_layer, **options)
        routing = encoder.forward_with_routing(inputs(), LENGTHS, max_layer=max_layer, ctc=head)
        assert len(routing.routing) == ran
        assert lengths.tolist() == encoder.output_lengths(LENGTHS).tolist()
        if not (ran and (return_all_hs or ctc)):
            assert isinstance(first, torch.Tensor)
            return
        out, taps = first
        assert torch.equal(out, routing.encoder_out)
        if not return_all_hs:
            assert [number for number, _ in taps] == list(range(1, min(ran, 2) + 1))
            return
        assert len(taps) == ran
        assert all(hidden.shape == out.shape for hidden in taps)
        if ran == 3:
            assert torch.equal(encoder.backbone.normalize(taps[-1]), out)


@EVERY
def test_masks_stand_for_lengths(class_):
    encoder = build(class_).eval()
    masks = torch.arange(61) >= LENGTHS.unsqueeze(1)
    one, other = encoder(inputs(), LENGTHS), encoder(inputs(), None, masks=masks)
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[1], other[1])


@EVERY
@pytest.mark.parametrize("activation_checkpointing", [False, True])
def test_stochastic_depth_leaves_blocks_out_in_training_alone(class_, activation_checkpointing):
    plain = build(class_, dropout_rate=0.0).eval()(inputs(), LENGTHS)[0]
    conf = {"dropout_rate": 0.0, "activation_checkpointing": activation_checkpointing}
    encoder = build(class_, stochastic_depth_rate=[0.0, 0.9999, 0.5], **conf)
    assert torch.equal(encoder.eval()(inputs(), LENGTHS)[0], plain)
    encoder.train()
    numbers = set()
    for seed in range(12):
        torch.manual_seed(seed)
        out = encoder.forward_with_routing(inputs(), LENGTHS)
        out.encoder_out[..., 0].square().sum().backward()
        numbers.add(len(out.routing))
    assert numbers == {1, 2}
    assert not any(
        p.grad is not None and p.grad.any() for p in encoder.backbone.blocks[1].parameters()
    )
    assert encoder.backbone.blocks[2].feed_forward.experts.w1.grad.any()


@EVERY
def test_a_block_that_stays_is_scaled_so_that_the_mean_stays(class_):
    encoder = build(class_, stochastic_depth_rate=0.5)
    block = encoder.backbone.blocks[0].eval()
    x = torch.randn(1, 9, SIZE)
    mask = torch.ones(1, 9, dtype=torch.bool)
    context = () if class_ is SpeechMoEEncoder else (torch.randn(1, 17, SIZE),)
    logits = torch.zeros(1, 9, 4)
    one, other = (block(x, mask, logits, *context, residual_scale=s)[0] for s in (1.0, 2.0))
    assert torch.equal(one, block(x, mask, logits, *context)[0])
    if class_ is SpeechMoEEncoder:
        first = block.feed_forward(block.norm_feed_forward(x), mask, embedding_logits=logits)[0]
        block.memory.filter.weight.data.zero_()
        block.attention.linear_out.weight.data.zero_()
        block.attention.linear_out.bias.data.zero_()
        scaled = block(x, mask, logits, residual_scale=2.0)[0]
        torch.testing.assert_close(scaled, x + 2 * first)
    assert not torch.allclose(one, other)
    assert encoder.backbone._residual_scale(1) in (0.0, 2.0)
    assert encoder.eval().backbone._residual_scale(1) == 1.0


@EVERY
@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"input_layer": "fff"}, "input_layer: 'fff' is not one of .*conv2d1, .*null"),
        ({"input_layer": None}, "input_layer: null takes features as wide as the blocks"),
        ({"interctc_layer_idx": [0, 1]}, r"0 is not between 1 and the block below the last \(2\)"),
        ({"interctc_layer_idx": [1, 3]}, "interctc_layer_idx: 3 is not between 1 and the block"),
        ({"interctc_layer_idx": 1}, "interctc_layer_idx: expected a list of blocks, got 1"),
        ({"interctc_layer_idx": ["1"]}, "interctc_layer_idx: expected a whole number, got '1'"),
        ({"interctc_layer_idx": "12"}, "interctc_layer_idx: expected a list of blocks, got '12'"),
        ({"stochastic_depth_rate": "0.1"}, "expected a number, got '0.1'"),
        ({"stochastic_depth_rate": None}, "stochastic_depth_rate: expected a number, got None"),
        ({"interctc_use_conditioning": True}, "name them in interctc_layer_idx"),
        ({"stochastic_depth_rate": [0.1]}, "stochastic_depth_rate: 1 rates for 3 blocks"),
        ({"stochastic_depth_rate": [0.1] * 4}, "stochastic_depth_rate: 4 rates for 3 blocks"),
        ({"stochastic_depth_rate": 1.0}, r"stochastic_depth_rate: 1.0 is not in \[0, 1\)"),
        ({"embedding_conf": {"input_layer": "embed"}}, "differs from the encoder's"),
    ],
)
def test_mistakes_are_named(class_, conf, message):
    with pytest.raises(ValueError, match=message):
        build(class_, **conf)


@EVERY
def test_mistakes_in_calls_are_named(class_):
    with pytest.raises(ValueError, match="conv2d8 leaves nothing of 6 features"):
        build(class_, 6, input_layer="conv2d8")
    encoder = build(class_).eval()
    with pytest.raises(ValueError, match="max_layer: -1 is less than 0"):
        encoder(inputs(), LENGTHS, max_layer=-1)
    with pytest.raises(ValueError, match="export to ONNX with `python -m speechmoe_espnet export`"):
        torch.jit.trace(encoder, (inputs(), LENGTHS))


@pytest.mark.parametrize(
    ("class_", "espnets"),
    [
        (SelfAttention, MultiHeadedAttention),
        (RelativeSelfAttention, RelPositionMultiHeadedAttention),
    ],
)
def test_attention_weights_are_those_of_espnets_layer(class_, espnets):
    torch.manual_seed(0)
    layer = class_(2, SIZE, 0.5).eval()
    reference = espnets(2, SIZE, 0.5).eval()
    reference.load_state_dict(layer.state_dict())
    x = torch.randn(2, 7, SIZE)
    mask = torch.tensor([[True] * 7, [True] * 4 + [False] * 3]).unsqueeze(1)
    arguments = (x, x, x, mask)
    if class_ is RelativeSelfAttention:
        arguments = (x, x, x, torch.randn(1, 13, SIZE), mask)
    expected = reference(*arguments)
    for mode in (torch.no_grad, torch.inference_mode, torch.enable_grad):
        with mode():
            got = layer(*arguments)
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(layer.attn, reference.attn, atol=1e-5, rtol=1e-5)
        assert not layer.attn.requires_grad
    assert layer(*arguments).grad_fn is not None
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert twin.attn is None
        torch.testing.assert_close(twin(*arguments), got)
    layer.train()(*arguments)
    assert layer.attn is None


@pytest.mark.parametrize("encoder", ["speechmoe", "speechmoe_conformer"])
def test_espnet_finds_the_weights_of_every_attention_layer(encoder):
    model = build_model(encoder, **hybrid()).eval()
    found = calculate_all_attentions(model, model_batch((70, 52)))
    layers = {
        name for name, layer in model.named_modules() if isinstance(layer, MultiHeadedAttention)
    }
    assert set(found) == layers
    assert any(name.startswith("encoder.backbone") for name in layers)
    for name, weights in found.items():
        assert len(weights) == 2
        for attention in weights:
            torch.testing.assert_close(attention.sum(-1), torch.ones(attention.shape[:-1]))
            assert attention.dim() == 3, name
