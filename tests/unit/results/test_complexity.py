"""Parameters and FLOPs against values computed by hand."""

from typing import Any

import pytest
import torch
from models import build
from torch import nn

from speechmoe_espnet.moe import MoEFeedForward
from speechmoe_espnet.results.complexity import measure

BINS, HIDDEN, UNITS, FRAMES = 8, 16, 5, 100
FEED_FORWARD_FLOPS = 2 * 2 * BINS * HIDDEN
CTC_FLOPS = 2 * BINS * UNITS


class Encoder(nn.Module):
    def __init__(self, num_experts: int, top_k: int, has_embedding: bool) -> None:
        super().__init__()
        self.embedding = nn.Linear(BINS, 4) if has_embedding else None
        self.layer = MoEFeedForward(
            BINS, HIDDEN, num_experts, top_k=top_k, embedding_size=4 if has_embedding else 0
        )

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        mask = torch.arange(x.size(1)) < lengths[:, None]
        embedding = None if self.embedding is None else self.embedding(x)
        out: torch.Tensor = self.layer(x, mask, embedding)[0]
        return out


class Ctc(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ctc_lo = nn.Linear(BINS, UNITS)

    def log_softmax(self, x: torch.Tensor) -> torch.Tensor:
        return self.ctc_lo(x).log_softmax(2)


class Model(nn.Module):
    def __init__(self, num_experts: int = 1, top_k: int = 1, has_embedding: bool = False) -> None:
        super().__init__()
        self.encoder = Encoder(num_experts, top_k, has_embedding)
        self.ctc = Ctc()

    def encode(self, x: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.encoder(x, lengths), lengths


def num_feed_forward_params(num_experts: int) -> int:
    return num_experts * (2 * BINS * HIDDEN + HIDDEN + BINS)


CTC_PARAMS = BINS * UNITS + UNITS


def test_dense_feed_forward() -> None:
    found = measure(Model(), seconds=2.0, num_bins=BINS)
    params = num_feed_forward_params(1) + CTC_PARAMS
    assert (found.params_total, found.params_active) == (params, params)
    assert found.flops_per_second_of_audio == FRAMES * (FEED_FORWARD_FLOPS + CTC_FLOPS)
    assert found.flops_without_embedding_network == found.flops_per_second_of_audio


@pytest.mark.parametrize("top_k", [1, 2])
def test_only_chosen_experts_count(top_k: int) -> None:
    found = measure(Model(4, top_k), num_bins=BINS)
    router = 4 * BINS
    assert found.params_total == num_feed_forward_params(4) + router + CTC_PARAMS
    assert found.params_active == num_feed_forward_params(top_k) + router + CTC_PARAMS
    assert found.flops_per_second_of_audio == FRAMES * (
        top_k * FEED_FORWARD_FLOPS + 2 * router + CTC_FLOPS
    )


def test_embedding_network_is_counted_separately() -> None:
    found = measure(Model(4, 1, has_embedding=True), num_bins=BINS)
    embedding = FRAMES * 2 * BINS * 4
    assert found.flops_per_second_of_audio - found.flops_without_embedding_network == embedding


def test_measuring_leaves_the_model_as_it_was() -> None:
    model = Model(4).train()
    model.ctc.eval()
    state = torch.get_rng_state()
    measure(model, num_bins=BINS)
    assert model.training
    assert not model.ctc.training
    assert model.encoder.layer.experts.backend == "auto"
    assert torch.equal(torch.get_rng_state(), state)


def test_seconds_must_be_positive() -> None:
    with pytest.raises(ValueError, match="seconds must be positive, got 0"):
        measure(Model(), seconds=0, num_bins=BINS)


WIDTH, NUM_BINS, KERNEL = 32, 40, 3


def attention_by_hand(frames: int) -> int:
    """Of one layer: four projections of the width, then queries by keys and weights by values."""
    return 2 * (4 * frames * WIDTH**2 + 2 * frames**2 * WIDTH)


def dfsmn_by_hand(frames: int) -> int:
    """The tiny encoder of `models`: an attention layer after the second of two blocks."""
    subsampled = -(-frames // 3)
    stacked = 8 * 3 * NUM_BINS
    projection = 2 * stacked * WIDTH
    block = 2 * (2 * WIDTH * 48 + 21 * WIDTH)
    dense = subsampled * (2 * projection + 3 * block + 2 * WIDTH * 13)
    return dense + attention_by_hand(subsampled)


@pytest.mark.parametrize("seconds", [2.0, 10.0])
def test_attention_of_the_papers_encoder_is_counted(seconds: float) -> None:
    model = build("speechmoe", encoder_conf={"moe_conf": {"num_experts": 1}})
    found = measure(model, seconds, num_bins=NUM_BINS)
    total = found.flops_per_second_of_audio * seconds
    assert total == dfsmn_by_hand(round(100 * seconds))


def quadratic_part(model: Any, frames_of: Any) -> float:
    """FLOPs per squared output frame, from three lengths: the second difference of the total."""
    totals, frames = [], []
    for seconds in (4.0, 8.0, 12.0):
        totals.append(
            measure(model, seconds, num_bins=NUM_BINS).flops_per_second_of_audio * seconds
        )
        frames.append(frames_of(round(100 * seconds)))
    (a, b, c), (x, y, z) = totals, frames
    return ((c - b) / (z - y) - (b - a) / (y - x)) / (z - x)


def test_attention_of_conformers_is_counted() -> None:
    model = build("speechmoe_conformer", encoder_conf={"moe_conf": {"num_experts": 1}})
    lengths = model.encoder.output_lengths
    found = quadratic_part(model, lambda frames: int(lengths(torch.tensor(frames))))
    # Queries by keys, queries by 2 T - 1 positions, weights by values, in three blocks.
    assert found == pytest.approx(3 * 2 * (1 + 2 + 1) * WIDTH, rel=1e-6)
    espnets = build("conformer")
    # Of ESPnet's, in one block.
    expected = quadratic_part(espnets, lambda frames: ((frames - 1) // 2 - 1) // 2)
    assert expected == pytest.approx(2 * (1 + 2 + 1) * WIDTH, rel=1e-6)
