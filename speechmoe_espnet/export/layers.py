"""Traceable forward of a model, with feed-forward layers as opaque nodes.

The training code is fast, but the exporter cannot trace it. Within `traceable` some modules compute
the same results by traceable code; parameters and all other modules stay as they are.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from espnet2.layers.global_mvn import GlobalMVN
from espnet2.legacy.nets.pytorch_backend.transformer.embedding import RelPositionalEncoding
from espnet2.legacy.nets.pytorch_backend.transformer.positionwise_feed_forward import (
    PositionwiseFeedForward,
)
from torch import Tensor, nn

from speechmoe_espnet.encoder.output import valid_frames
from speechmoe_espnet.encoder.stacking import DELTA_WINDOW, StackedFeatures, with_deltas
from speechmoe_espnet.export.weights import DOMAIN, EXPERTS, FEED_FORWARD, activation_name
from speechmoe_espnet.moe import MoEFeedForward, Routing


@contextmanager
def traceable(model: nn.Module) -> Iterator[None]:
    """Make a model traceable inside the context; parameters and modules stay as they are.

    Args:
        model: A model in evaluation mode.
    """
    replaced = []
    for name, module in model.named_modules():
        forward = _forward_of(name, module)
        if forward is not None:
            module.forward = forward
            replaced.append(module)
    try:
        yield
    finally:
        for module in replaced:
            del module.forward


def _forward_of(name: str, module: nn.Module) -> Callable[..., object] | None:
    if isinstance(module, MoEFeedForward):
        return partial(moe_feed_forward, name, module)
    if isinstance(module, PositionwiseFeedForward) and activation_name(module.activation):
        return partial(_feed_forward, name)
    if isinstance(module, GlobalMVN):
        return partial(_normalize, module)
    if isinstance(module, RelPositionalEncoding):
        return partial(_relative_positions, module)
    if isinstance(module, StackedFeatures):
        return partial(_stacked_features, module)
    return None


def moe_feed_forward(
    name: str,
    layer: MoEFeedForward,
    x: Tensor,
    mask: Tensor,
    embedding: Tensor | None = None,
    *,
    embedding_logits: Tensor | None = None,
) -> tuple[Tensor, Routing]:
    """MoEFeedForward with its experts as one node.

    Args:
        name: Path of the layer in the model, by which its weights are found.
        layer: The layer.
        x: Input (B, T, D).
        mask: Valid frames (B, T), bool.
        embedding: Shared embedding (B, T, De).
        embedding_logits: The embedding's part of the router logits (B, T, E), if it is known.

    Returns:
        Output (B, T, D), which means nothing in padding, and the routing.
    """
    padding = ~mask.unsqueeze(-1)
    if layer.router is None:
        # Eight-bit scales are those of all rows, so rows of padding must be 0.
        out = _feed_forward(name, x.masked_fill(padding, 0.0))
        probs = mask.unsqueeze(-1).float()
        return out, Routing(probs, mask.unsqueeze(-1).long() - 1, probs - probs)
    weight = layer.router.weight
    logits = x @ weight[:, layer.embedding_size :].t()
    if layer.embedding_size:
        if embedding_logits is None:
            assert embedding is not None
            embedding_logits = embedding @ weight[:, : layer.embedding_size].t()
        logits = logits + embedding_logits
    probs = logits.softmax(dim=-1)
    if layer.top_k == 1:
        gates, chosen = probs.max(dim=-1, keepdim=True)
    else:
        gates, chosen = probs.topk(layer.top_k, dim=-1)
    chosen = chosen.masked_fill(padding, -1)
    rows = x.flatten(0, 1)
    out = torch.onnx.ops.symbolic(
        f"{DOMAIN}::{EXPERTS}",
        (rows, chosen.flatten(0, 1)),
        {"layer": name},
        dtype=x.dtype,
        shape=(rows.shape[0], layer.top_k, rows.shape[1]),
        version=1,
    )
    if layer.router_scale == "straight_through":
        gates = gates / gates.sum(dim=-1, keepdim=True)
    if layer.router_scale == "paper" or layer.top_k > 1:
        out = out * gates.flatten(0, 1).unsqueeze(-1)
    out = out.squeeze(1) if layer.top_k == 1 else out.sum(dim=1)
    return out.view_as(x), Routing(probs, chosen, logits)


def _feed_forward(name: str, x: Tensor) -> Tensor:
    rows = x.flatten(0, -2)
    out = torch.onnx.ops.symbolic(
        f"{DOMAIN}::{FEED_FORWARD}",
        (rows,),
        {"layer": name},
        dtype=x.dtype,
        shape=rows.shape,
        version=1,
    )
    return out.view_as(x)


def _normalize(module: GlobalMVN, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Normalise by constants; what padding holds becomes 0, as ESPnet leaves it."""
    mean = module.mean.to(x.dtype) if module.norm_means else 0.0
    scale = 1.0 / module.std.to(x.dtype) if module.norm_vars else 1.0
    padding = ~valid_frames(lengths, x.size(1)).unsqueeze(-1)
    return ((x - mean) * scale).masked_fill(padding, 0.0), lengths


def _relative_positions(module: RelPositionalEncoding, x: Tensor) -> tuple[Tensor, Tensor]:
    """ESPnet's relative positions computed for the length at hand, not cut out of a table."""
    frames = x.size(1)
    position = (frames - 1) - torch.arange(2 * frames - 1, dtype=torch.float32)
    rate = torch.exp(
        torch.arange(0, module.d_model, 2, dtype=torch.float32)
        * -(math.log(10000.0) / module.d_model)
    )
    angle = position.unsqueeze(1) * rate
    table = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
    return x * module.xscale, table.unsqueeze(0)


def _stacked_features(
    module: StackedFeatures, feats: Tensor, lengths: Tensor
) -> tuple[Tensor, Tensor]:
    """StackedFeatures with one gather in place of overlapping windows."""
    reach = 2 * DELTA_WINDOW if module.deltas else 0
    left = (module.stack - module.subsampling) // 2
    num_out = (feats.size(1) + module.subsampling - 1) // module.subsampling
    num_context = (num_out - 1) * module.subsampling + module.stack
    position = torch.arange(num_context + 2 * reach) - left - reach
    position = position.unsqueeze(0).clamp(min=0).minimum((lengths - 1).unsqueeze(1))
    context = feats.gather(1, position.unsqueeze(-1).expand(-1, -1, feats.size(-1)))
    channels = with_deltas(context) if module.deltas else context
    start = torch.arange(num_out).unsqueeze(1) * module.subsampling
    window = (start + torch.arange(module.stack)).flatten()
    stacked = channels.index_select(1, window)
    return stacked.view(feats.size(0), num_out, -1), module.output_lengths(lengths)
