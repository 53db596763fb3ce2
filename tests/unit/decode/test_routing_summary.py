"""Routing totals: padding does not count, batches add up."""

import math
from typing import NamedTuple

import pytest
import torch

from speechmoe_espnet.decode.routing_summary import RoutingTotals


class Routing(NamedTuple):
    probs: torch.Tensor
    indices: torch.Tensor


def make(probs: torch.Tensor, lengths: torch.Tensor) -> Routing:
    indices = probs.argmax(2, keepdim=True)
    padding = torch.arange(probs.size(1)) >= lengths[:, None]
    return Routing(probs, indices.masked_fill(padding[:, :, None], -1))


def test_loads_confidence_and_entropy() -> None:
    probs = torch.tensor([[[0.9, 0.1], [0.2, 0.8], [1.0, 0.0]], [[0.6, 0.4], [0.0, 0.0], [0, 0]]])
    lengths = torch.tensor([3, 1])
    totals = RoutingTotals.count([make(probs, lengths)], lengths)
    (layer,) = totals.summary()["layers"]
    assert layer["load"] == [0.75, 0.25]
    assert layer["confidence"] == pytest.approx((0.9 + 0.8 + 1.0 + 0.6) / 4)
    assert layer["entropy"] == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    assert totals.summary()["num_frames"] == 4


def test_batches_add_up() -> None:
    generator = torch.Generator().manual_seed(0)
    probs = torch.randn(4, 6, 3, generator=generator).softmax(2)
    lengths = torch.tensor([6, 2, 4, 5])
    whole = RoutingTotals.count([make(probs, lengths)] * 2, lengths)
    parts = RoutingTotals()
    for rows in (slice(0, 1), slice(1, 4)):
        parts += RoutingTotals.count([make(probs[rows], lengths[rows])] * 2, lengths[rows])
    parts += RoutingTotals()
    assert parts.num_frames == whole.num_frames
    for mine, theirs in zip(parts.layers, whole.layers, strict=True):
        assert mine.choices == theirs.choices
        assert mine.confidence == pytest.approx(theirs.confidence)


def test_static_layers_are_left_out() -> None:
    lengths = torch.tensor([2])
    assert RoutingTotals.count([make(torch.ones(1, 2, 1), lengths)], lengths).layers == ()
