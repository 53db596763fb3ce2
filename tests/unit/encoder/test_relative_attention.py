"""Attention block by block against ESPnet's, and its memory."""

import pytest
import torch
from espnet2.legacy.nets.pytorch_backend.transformer.attention import (
    RelPositionMultiHeadedAttention,
)
from espnet2.legacy.nets.pytorch_backend.transformer.embedding import RelPositionalEncoding
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmoe_espnet.encoder import relative_attention
from speechmoe_espnet.encoder.relative_attention import RelativeAttention

HEADS, WIDTH = 2, 8


def twins():
    torch.manual_seed(0)
    ours = RelativeAttention(HEADS, WIDTH, 0.0, False, True).eval()
    espnets = RelPositionMultiHeadedAttention(HEADS, WIDTH, 0.0, False, True).eval()
    espnets.load_state_dict(ours.state_dict())
    return ours, espnets, RelPositionalEncoding(WIDTH, 0.0)


@settings(max_examples=60)
@given(
    batch=st.integers(1, 3),
    frames=st.integers(1, 40),
    max_scores=st.integers(1, 3000),
    seed=st.integers(0, 99),
)
def test_blocks_of_any_size_give_espnets_results(batch, frames, max_scores, seed):
    ours, espnets, positions = twins()
    torch.manual_seed(seed)
    x, pos_emb = positions(torch.randn(batch, frames, WIDTH))
    lengths = torch.randint(1, frames + 1, (batch,))
    mask = (torch.arange(frames) < lengths.unsqueeze(1)).unsqueeze(1)
    before = relative_attention.MAX_SCORES
    relative_attention.MAX_SCORES = max_scores
    try:
        with torch.no_grad():
            found, expected = (net(x, x, x, pos_emb, mask) for net in (ours, espnets))
    finally:
        relative_attention.MAX_SCORES = before
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_short_utterances_and_training_are_bit_for_bit_espnets(monkeypatch):
    ours, espnets, positions = twins()
    x, pos_emb = positions(torch.randn(2, 30, WIDTH))
    mask = torch.ones(2, 1, 30, dtype=torch.bool)
    with torch.no_grad():
        assert torch.equal(*(net(x, x, x, pos_emb, mask) for net in (ours, espnets)))
    monkeypatch.setattr(relative_attention, "MAX_SCORES", 1)
    outputs = [net(x, x, x, pos_emb, mask) for net in (ours, espnets)]
    assert torch.equal(*outputs)
    assert outputs[0].requires_grad


@pytest.mark.parametrize("frames", [3000])
def test_no_more_scores_than_the_bound_exist_at_a_time(monkeypatch, frames):
    monkeypatch.setattr(relative_attention, "MAX_SCORES", 1 << 18)
    ours, _, positions = twins()
    x, pos_emb = positions(torch.randn(1, frames, WIDTH))
    sizes = []
    scored = RelativeAttention._position_scores

    def watched(*args):
        sizes.append(args[1].size(2) * args[2].size(2) * HEADS)
        return scored(*args)

    monkeypatch.setattr(RelativeAttention, "_position_scores", watched)
    with torch.inference_mode():
        ours(x, x, x, pos_emb, torch.ones(1, 1, frames, dtype=torch.bool))
    assert max(sizes) <= 1 << 18
    assert len(sizes) > 100
