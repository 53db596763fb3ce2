"""Layers written as graphs against PyTorch, with one and several experts a frame, and int8."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

pytest.importorskip("onnxruntime")

from benchmarks.export_rivals import TracedLoop, all_experts, scattered
from speechmoe_espnet.export.acoustic import trace_module
from speechmoe_espnet.export.int8 import INT8, ZERO_POINT, quantised
from speechmoe_espnet.export.layers import traceable
from speechmoe_espnet.export.nodes import FLOAT32, expand, sorted_dispatch
from speechmoe_espnet.export.session import open_session
from speechmoe_espnet.export.weights import activation_name, feed_forward_weights
from speechmoe_espnet.moe import MoEFeedForward

D, H, DE = 12, 20, 8


class Layers(nn.Module):
    """A stack of layers as an encoder calls them."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList(
            MoEFeedForward(D, H, embedding_size=DE, backend="loop", **options) for _ in range(2)
        )

    def forward(self, x: Tensor, lengths: Tensor, embedding: Tensor) -> Tensor:
        mask = torch.arange(x.size(1)).unsqueeze(0) < lengths.unsqueeze(1)
        for layer in self.layers:
            x = x + layer(x, mask, embedding)[0]
        return x


def make_session(
    model: nn.Module, precision: Any = FLOAT32, dispatch: Any = sorted_dispatch
) -> Any:
    batch, frames = torch.export.Dim("batch"), torch.export.Dim("frames")
    examples = (torch.randn(2, 9, D), torch.tensor([9, 4]), torch.randn(2, 9, DE))
    dynamic = ({0: batch, 1: frames}, {0: batch}, {0: batch, 1: frames})
    names = ("x", "lengths", "embedding")
    graph = trace_module(model.eval(), examples, dynamic, names, ("y",))
    expand(graph, feed_forward_weights(model), precision, dispatch)
    return open_session(graph)


def inputs(size: int, frames: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(0, frames + 1, (size,), generator=generator)
    x = torch.randn(size, frames, D, generator=generator)
    return x, lengths, torch.randn(size, frames, DE, generator=generator)


def run(session: Any, given: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    names = ("x", "lengths", "embedding")
    feed = {name: value.numpy() for name, value in zip(names, given, strict=True)}
    return torch.from_numpy(session.run(None, feed)[0])


def valid(values: Tensor, lengths: Tensor) -> Tensor:
    return values[torch.arange(values.size(1)).unsqueeze(0) < lengths.unsqueeze(1)]


OPTIONS = [
    {"num_experts": 1, "activation": "gelu"},
    {"num_experts": 5},
    {"num_experts": 5, "router_scale": "straight_through", "activation": "swish"},
    {"num_experts": 4, "top_k": 2},
    {"num_experts": 4, "top_k": 2, "router_scale": "straight_through"},
    {"num_experts": 3, "top_k": 3, "router": "switch"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_layers_agree_at_sizes_not_seen_in_tracing(options: dict[str, Any]) -> None:
    model = Layers(**options)
    session = make_session(model)
    for size, frames in ((1, 1), (1, 2), (3, 17), (5, 64), (2, 301)):
        given_inputs = inputs(size, frames)
        with torch.no_grad():
            wanted = model(*given_inputs)
        found = run(session, given_inputs)
        torch.testing.assert_close(
            valid(found, given_inputs[1]), valid(wanted, given_inputs[1]), atol=2e-5, rtol=0
        )


@pytest.fixture(scope="module")
def sparse() -> tuple[Layers, Any, Any]:
    model = Layers(num_experts=6)
    return model, make_session(model), make_session(model, INT8)


@settings(max_examples=30)
@given(size=st.integers(1, 4), frames=st.integers(1, 40), seed=st.integers(0, 999))
def test_any_batch_agrees(
    sparse: tuple[Layers, Any, Any], size: int, frames: int, seed: int
) -> None:
    model, session, _ = sparse
    given_inputs = inputs(size, frames, seed)
    with torch.no_grad():
        wanted = model(*given_inputs)
    found = run(session, given_inputs)
    torch.testing.assert_close(
        valid(found, given_inputs[1]), valid(wanted, given_inputs[1]), atol=2e-5, rtol=0
    )


@pytest.mark.parametrize("precision", [1, 2], ids=["float32", "int8"])
def test_padding_does_not_matter(sparse: tuple[Layers, Any, Any], precision: int) -> None:
    session = sparse[precision]
    x, _, embedding = inputs(1, 20)
    lengths = torch.tensor([13])
    alone = run(session, (x[:, :13], lengths, embedding[:, :13]))
    x[:, 13:] = 1e4
    padded = run(session, (x, lengths, embedding))
    torch.testing.assert_close(padded[:, :13], alone, atol=1e-6, rtol=0)


def test_padding_does_not_matter_to_an_int8_static_layer() -> None:
    session = make_session(Layers(num_experts=1), INT8)
    x, _, embedding = inputs(1, 20)
    lengths = torch.tensor([13])
    alone = run(session, (x[:, :13], lengths, embedding[:, :13]))
    x[:, 13:] = 1e4
    padded = run(session, (x, lengths, embedding))
    torch.testing.assert_close(padded[:, :13], alone, atol=1e-6, rtol=0)


def test_only_the_chosen_experts_run() -> None:
    """A frame gets NaN from an expert of NaN if, and only if, it was sent there."""
    model = Layers(num_experts=6)
    del model.layers[1]
    with torch.no_grad():
        model.layers[0].experts.w2[3] = torch.nan
    x, _, embedding = inputs(1, 60)
    _, routing = model.layers[0](x, torch.ones(1, 60, dtype=torch.bool), embedding)
    sent = routing.indices[0, :, 0] == 3
    assert 0 < sent.sum() < 60
    found = run(make_session(model), (x, torch.tensor([60]), embedding))
    assert torch.equal(found[0].isnan().all(dim=1), sent)
    assert torch.equal(found[0].isnan().any(dim=1), sent)


def test_int8_is_close_and_levels_are_symmetric(sparse: tuple[Layers, Any, Any]) -> None:
    _, exact, coarse = sparse
    given_inputs = inputs(2, 50)
    difference = valid(run(exact, given_inputs) - run(coarse, given_inputs), given_inputs[1])
    assert 0 < difference.abs().mean() < 0.02
    weight = np.array([[0.5, 0.0, -2.0], [-1.0, 0.0, 1.0]], dtype=np.float32)
    levels, scale = quantised(weight)
    assert levels.min() >= 1
    restored = (levels.astype(np.float32) - ZERO_POINT) * scale
    assert np.abs(restored - weight).max() <= scale.max() / 2
    assert (restored[:, 1] == 0).all()


def test_rivals_compute_the_same(sparse: tuple[Layers, Any, Any]) -> None:
    model, session, _ = sparse
    given_inputs = inputs(2, 30)
    wanted = valid(run(session, given_inputs), given_inputs[1])
    for rival in (
        make_session(model, FLOAT32, scattered),
        make_session(model, FLOAT32, all_experts),
        make_session(TracedLoop(model)),
    ):
        found = valid(run(rival, given_inputs), given_inputs[1])
        torch.testing.assert_close(found, wanted, atol=2e-5, rtol=0)


def test_a_model_is_as_before_after_tracing(sparse: tuple[Layers, Any, Any]) -> None:
    model = sparse[0]
    given_inputs = inputs(1, 5)
    with traceable(model):
        assert "forward" in vars(model.layers[0])
    assert "forward" not in vars(model.layers[0])
    assert torch.isfinite(model(*given_inputs)).all()


def test_activations_are_known_by_name_module_and_function() -> None:
    assert activation_name("swish") == activation_name(nn.SiLU()) == "swish"
    assert activation_name(torch.nn.functional.gelu) == "gelu"
    assert activation_name(nn.Tanh()) == ""
