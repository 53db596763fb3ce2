import copy

import numpy as np
import pytest
import torch
from espnet2.asr.espnet_model import ESPnetASRModel
from models import batch, build, hybrid

from speechmoe_espnet.espnet.model import SpeechMoEASRModel

MOE_STATS = {
    "loss_sparsity",
    "loss_importance",
    "loss_embedding",
    "expert_load_min",
    "expert_load_max",
    "expert_load_entropy",
    "router_confidence",
}
ENCODERS = pytest.mark.parametrize("encoder", ["speechmoe", "speechmoe_conformer"])
KINDS = pytest.mark.parametrize("kind", [{}, hybrid()], ids=["ctc", "hybrid"])


def one_utterance(data, b):
    length, labels = data["speech_lengths"][b], data["text_lengths"][b]
    return {
        "speech": data["speech"][b : b + 1, :length],
        "speech_lengths": length.unsqueeze(0),
        "text": data["text"][b : b + 1, :labels].clone(),
        "text_lengths": labels.unsqueeze(0),
    }


@ENCODERS
@KINDS
def test_a_training_step_lowers_the_loss_and_reaches_every_parameter(encoder, kind):
    model = build(encoder, **kind)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(8):
        loss, stats, weight = model(**batch())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert set(stats) >= MOE_STATS
    assert weight.item() == 3


@ENCODERS
def test_the_loss_is_the_sum_the_docstring_gives(encoder):
    model = build(encoder, model_conf={"alpha": 0.2, "beta": 0.3, "gamma": 0.04}).eval()
    loss, stats, _ = model(**batch())
    out = model.encode_with_routing(batch()["speech"], batch()["speech_lengths"])
    frames = out.encoder_out_lens.float().mean()
    expected = (
        stats["loss_ctc"]
        + frames * (0.2 * stats["loss_sparsity"] + 0.3 * stats["loss_importance"])
        + 0.04 * stats["loss_embedding"]
    )
    torch.testing.assert_close(loss.squeeze(), expected.squeeze())


@ENCODERS
@KINDS
def test_batch_loss_is_the_mean_of_its_utterances(encoder, kind):
    # Importance is a property of a whole batch; every other term must add up.
    conf = {**kind.get("model_conf", {}), "beta": 0.0}
    model = build(encoder, **{**kind, "model_conf": {"ctc_weight": 1.0, **conf}}).eval()
    data = batch()
    together, stats, _ = model(**copy.deepcopy(data))
    alone = [model(**one_utterance(data, b)) for b in range(3)]
    torch.testing.assert_close(
        together.squeeze(),
        torch.stack([a[0].squeeze() for a in alone]).mean(),
        atol=1e-4,
        rtol=1e-5,
    )
    out = model.encode_with_routing(data["speech"], data["speech_lengths"])
    frames = out.encoder_out_lens.float()
    sparsity = torch.stack([a[1]["loss_sparsity"].squeeze() for a in alone])
    torch.testing.assert_close(
        stats["loss_sparsity"].squeeze(), (sparsity * frames).sum() / frames.sum()
    )


@pytest.mark.parametrize("num_experts", [1, 4])
def test_the_error_rate_of_a_batch_does_not_count_what_padding_emits(num_experts):
    model = build(encoder_conf={"moe_conf": {"num_experts": num_experts}}).eval()
    # Padding emits as much as speech does, as in a hardly trained model.
    with torch.no_grad():
        model.ctc.ctc_lo.weight.normal_(std=1.0)
        model.ctc.ctc_lo.bias.normal_(std=1.0)
    data = batch()
    together = model(**copy.deepcopy(data))[1]["cer_ctc"]
    alone = [model(**one_utterance(data, b))[1]["cer_ctc"] for b in range(3)]
    lengths = data["text_lengths"].float()
    pooled = (torch.tensor(alone).squeeze() * lengths).sum() / lengths.sum()
    torch.testing.assert_close(torch.as_tensor(together).squeeze().float(), pooled)
    assert model.train()(**batch())[1]["cer_ctc"] is None


@KINDS
@pytest.mark.parametrize("encoder", ["conformer", "e_branchformer"])
def test_with_an_espnet_encoder_it_is_espnets_model_bit_for_bit(encoder, kind):
    ours = build(encoder, **kind)
    theirs = build(encoder, **kind, model="espnet")
    assert type(ours) is SpeechMoEASRModel
    assert type(theirs) is ESPnetASRModel
    results = []
    for model in (ours, theirs):
        torch.manual_seed(1)
        loss, stats, _ = model(**batch())
        loss.backward()
        results.append((loss, stats, model.state_dict(), [p.grad for p in model.parameters()]))
    (loss, stats, state, grads), (loss2, stats2, state2, grads2) = results
    assert torch.equal(loss, loss2)
    assert stats.keys() == stats2.keys()
    assert state.keys() == state2.keys()
    assert all(torch.equal(a, b) for a, b in zip(grads, grads2, strict=True))


def test_dense_baseline_reports_no_routing():
    model = build(encoder_conf={"moe_conf": {"num_experts": 1}})
    _, stats, _ = model(**batch())
    assert "loss_embedding" in stats
    assert not MOE_STATS & set(stats) - {"loss_embedding"}


def test_embedding_network_learns_from_its_own_loss_alone():
    model = build(model_conf={"gamma": 0.0})
    model(**batch())[0].backward()
    assert all(not p.grad.any() for p in model.encoder.embedding.parameters())
    model = build(model_conf={"gamma": 0.01})
    model(**batch())[0].backward()
    assert any(p.grad.any() for p in model.encoder.embedding.parameters())


def test_optional_losses_are_added():
    base = build().eval()(**batch())[0]
    model = build(model_conf={"load_balance_weight": 0.5, "router_z_weight": 0.1}).eval()
    loss, stats, _ = model(**batch())
    frames = model.encoder.output_lengths(batch()["speech_lengths"]).float().mean()
    extra = frames * (0.5 * stats["loss_load_balance"] + 0.1 * stats["loss_router_z"])
    torch.testing.assert_close(loss, base + extra)


def test_specaug_and_bfloat16_autocast():
    model = build(
        specaug="specaug",
        specaug_conf={"apply_time_mask": True, "time_mask_width_ratio_range": [0.0, 0.1]},
    )
    with torch.autocast("cpu", torch.bfloat16):
        loss, _, _ = model(**batch())
    loss.backward()
    assert torch.isfinite(loss).all()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


@ENCODERS
def test_raw_waveforms(encoder):
    model = build(encoder, input_size=None, frontend="default", frontend_conf={"hop_length": 160})
    data = batch()
    data["speech"] = torch.randn(3, 16000)
    data["speech_lengths"] = torch.tensor([16000, 12000, 9000])
    loss, _, _ = model(**data)
    loss.backward()
    assert torch.isfinite(loss).all()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"model_conf": {"alpha": -1.0}}, r"alpha: -1.0 is not in \[0, 1e\+06\]"),
        ({"model_conf": {"router_lr_scale": 0.0}}, "router_lr_scale: 0.0 is not in"),
        ({"model_conf": {"expert_lr_scale": -1.0}}, "expert_lr_scale: -1.0 is not in"),
        ({"model_conf": {"interctc_weight": 0.5}}, "interctc_weight 0.5"),
        ({"model": "espnet"}, "use model: speechmoe"),
        ({"postencoder": "length_adaptor"}, "postencoder"),
    ],
)
def test_configurations_that_would_train_wrongly_are_refused(overrides, message):
    with pytest.raises(ValueError, match=message):
        build(**overrides)


def test_the_callers_features_are_left_as_they_are(tmp_path):
    stats = tmp_path / "feats_stats.npz"
    np.savez(stats, count=1.0, sum=np.ones(40), sum_square=np.full(40, 3.0))
    model = build(normalize="global_mvn", normalize_conf={"stats_file": str(stats)}).eval()
    given = batch()
    speech = given["speech"].clone()
    first = model.encode_with_routing(given["speech"], given["speech_lengths"])
    assert torch.equal(given["speech"], speech)
    second = model.encode_with_routing(given["speech"], given["speech_lengths"])
    assert torch.equal(first.encoder_out, second.encoder_out)


def test_encode_with_routing_needs_a_speechmoe_encoder():
    data = batch()
    with pytest.raises(ValueError, match="ConformerEncoder has no routing"):
        build("conformer").encode_with_routing(data["speech"], data["speech_lengths"])


@ENCODERS
@pytest.mark.parametrize("activation_checkpointing", [False, True])
def test_routing_warms_up_for_its_steps(encoder, activation_checkpointing):
    conf = {"moe_conf": {"routing_warmup": "soft", "routing_warmup_steps": 2}, "dropout_rate": 0.0}
    conf |= {"activation_checkpointing": activation_checkpointing}
    conf |= {"embedding_conf": {"num_blocks": 1, "dropout_rate": 0.0}}
    model = build(encoder, encoder_conf=conf)
    experts = model.encoder.backbone.blocks[0].feed_forward.experts
    every_expert = []
    for _ in range(3):
        model.zero_grad()
        # One frame, which alone cannot reach every expert.
        model(**batch((9,)))[0].backward()
        every_expert.append(bool(experts.b2.grad.any(dim=1).all()))
    assert every_expert == [True, True, False]
