"""Intermediate CTC of our model: ESPnet's losses on the blocks of a SpeechMoE encoder."""

import math

import pytest
import torch
from models import batch, build, hybrid

BLOCKS = {"num_blocks": 3, "interctc_layer_idx": [1, 2]}
ENCODERS = pytest.mark.parametrize("encoder", ["speechmoe", "speechmoe_conformer"])
CONDITIONING = pytest.mark.parametrize("conditioning", [False, True])


def interctc(encoder, conditioning, weight=0.4, **kind):
    conf = {**BLOCKS, "interctc_use_conditioning": conditioning}
    kind.setdefault("model_conf", {"ctc_weight": 1.0})
    kind["model_conf"] = {**kind["model_conf"], "interctc_weight": weight}
    return build(encoder, encoder_conf=conf, **kind)


@ENCODERS
@CONDITIONING
def test_the_loss_interpolates_as_espnets(encoder, conditioning):
    model = interctc(encoder, conditioning).eval()
    loss, stats, _ = model(**batch())
    blocks = (stats["loss_interctc_layer1"] + stats["loss_interctc_layer2"]) / 2
    frames = model.encoder.output_lengths(batch()["speech_lengths"]).float().mean()
    routing = stats["loss_sparsity"] + stats["loss_importance"]
    expected = 0.6 * stats["loss_ctc"] + 0.4 * blocks + 0.15 * frames * routing
    torch.testing.assert_close(loss, expected + 0.01 * stats["loss_embedding"])
    for number, (key, hidden) in enumerate(
        model.encode(batch()["speech"], batch()["speech_lengths"])[0][1], 1
    ):
        assert key == number
        assert stats[f"cer_interctc_layer{number}"] is not None
        data = batch()
        lengths = model.encoder.output_lengths(data["speech_lengths"])
        text = data["text"].masked_fill(data["text"] == -1, 0)
        theirs = model.ctc(hidden, lengths, text, data["text_lengths"])
        torch.testing.assert_close(
            stats[f"loss_interctc_layer{number}"].squeeze(), theirs.detach().squeeze()
        )


@ENCODERS
@pytest.mark.parametrize("kind", [{}, hybrid()], ids=["ctc", "hybrid"])
def test_training_reaches_every_parameter(encoder, kind):
    model = interctc(encoder, True, **kind)
    model(**batch())[0].backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert model.encoder.conditioning_layer.weight.grad.any()


@ENCODERS
def test_conditioning_works_without_a_loss_of_its_own_and_changes_the_output(encoder):
    model = interctc(encoder, True, weight=0.0)
    model(**batch())[0].backward()
    data = batch()
    with torch.no_grad():
        (out, _), _ = model.eval().encode(data["speech"], data["speech_lengths"])
        model.encoder.conditioning_layer.weight.add_(1.0)
        (other, _), _ = model.encode(data["speech"], data["speech_lengths"])
    assert not torch.allclose(out, other)


def test_a_block_may_have_a_text_of_its_own():
    model = interctc("speechmoe", False, model_conf={"ctc_weight": 1.0, "aux_ctc": {"2": "tone"}})
    model.eval()
    data = batch()
    _, stats, _ = model(**data, tone=data["text"].flip(1).abs(), tone_lengths=data["text_lengths"])
    plain = interctc("speechmoe", False).eval()(**batch())[1]
    assert torch.equal(stats["loss_interctc_layer1"], plain["loss_interctc_layer1"])
    assert not torch.equal(stats["loss_interctc_layer2"], plain["loss_interctc_layer2"])
    with pytest.raises(ValueError, match="block 2 wants tone, which the data lack"):
        model(**batch())


@pytest.mark.parametrize(
    ("encoder_conf", "model_conf", "message"),
    [
        ({}, {"interctc_weight": 0.5}, "name them in encoder_conf: interctc_layer_idx"),
        (BLOCKS, {}, "has no effect with interctc_weight 0.0"),
    ],
)
def test_half_of_the_options_is_refused(encoder_conf, model_conf, message):
    with pytest.raises(ValueError, match=message):
        build(encoder_conf=encoder_conf, model_conf={"ctc_weight": 1.0, **model_conf})


def test_attention_alone_has_no_intermediate_ctc():
    with pytest.raises(ValueError, match="needs a CTC head"):
        interctc("speechmoe", False, **hybrid(model_conf={"ctc_weight": 0.0}))


def test_a_step_that_leaves_all_experts_out_reports_the_same_names():
    model = build(
        encoder_conf={"stochastic_depth_rate": 0.9999}, model_conf={"router_z_weight": 0.1}
    )
    loss, stats, _ = model(**batch())
    loss.backward()
    assert torch.isfinite(loss)
    names = set(build(model_conf={"router_z_weight": 0.1})(**batch())[1])
    assert set(stats) == names
    assert all(math.isnan(stats[name]) for name in names if "router" in name or "expert" in name)
