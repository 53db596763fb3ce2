"""Experts on a CPU, one after the other, with a backward pass of their own.

Grouping does not speed up matrix products on a CPU, so this backend saves the work around them.
An expert gathers its frames, runs both layers while they are in cache, and writes the scaled
result to its place. Training keeps one hidden tensor (N, H) and recomputes the rest, which is
cheap. Inference keeps nothing and reads the weights of chosen experts only. Rows of padding are
never read.

Shapes: M frames, K experts a frame, N = M K rows, E experts, D and H as in the package.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from speechmoe_espnet.moe.activation import ACTIVATIONS


class Weights(NamedTuple):
    """Stacked parameters of all experts: (E, D, H), (E, H), (E, H, D), (E, D)."""

    w1: Tensor
    b1: Tensor
    w2: Tensor
    b2: Tensor


class Kept(NamedTuple):
    """Tensors that the forward pass keeps for the backward pass.

    Attributes:
        hidden: (N, H), rows in expert order: the activation's value where its derivative needs
            no more, else its argument.
        dropped: (N, H) bool, which hidden values dropout zeroed; empty where `hidden` says so.
        order: Rows in expert order (N,), padding last.
        sizes: Rows of each expert, then of padding: E + 1 numbers.
    """

    hidden: Tensor
    dropped: Tensor
    order: Tensor
    sizes: list[int]


def forward(
    x: Tensor,
    chosen: Tensor,
    gates: Tensor | None,
    weights: Weights,
    activation: str,
    dropout_rate: float,
    keep: bool,
) -> tuple[Tensor, Kept]:
    """Send each frame through its experts: y_m = sum over k of g_mk Expert_c(m,k)(x_m).

    Args:
        x: Frames (M, D).
        chosen: Experts of each frame (M, K), int64; -1 for padding.
        gates: Factors (M, K), or None for 1.
        weights: Parameters, of the type of x.
        activation: Key of ACTIVATIONS.
        dropout_rate: Share of hidden values to drop.
        keep: Whether a backward pass follows.

    Returns:
        (M, D), 0 in padding, and what `backward` needs (without hidden values unless `keep`).
    """
    act = ACTIVATIONS[activation]
    top_k, width = chosen.size(1), weights.w1.size(2)
    order, sizes = _sort_by_expert(chosen, weights.w1.size(0))
    rows = _gather(x, order, top_k)
    # Without a backward pass one expert's hidden values live at a time, in cache.
    hidden = x.new_empty(order.numel() if keep else max(sizes[:-1]), width)
    in_place = act.from_output or not keep
    scratch = x.new_empty(0 if in_place else max(sizes[:-1]), width)
    mask_drops = keep and dropout_rate > 0 and not act.from_output
    dropped = x.new_empty(hidden.shape if mask_drops else (0, 0), dtype=torch.bool)
    stop = 0
    for size, mine, w1, b1, w2, b2 in _each_busy_expert(sizes, (rows,), weights):
        start, stop = stop, stop + size
        before = hidden[start:stop] if keep else hidden[:size]
        value = before if in_place else scratch[:size]
        torch.addmm(b1, mine, w1, out=before)
        act.into(before, value)
        if dropout_rate > 0:
            drop = dropped[start:stop] if mask_drops else torch.empty_like(value, dtype=torch.bool)
            _drop(value, drop.bernoulli_(dropout_rate), dropout_rate)
        torch.addmm(b2, value, w2, out=mine)
    kept = Kept(hidden, dropped, order, sizes)
    if top_k > 1:
        if gates is not None:
            rows.mul_(_sorted_gates(gates, order, rows.dtype))
        return _put_back(rows, order, sizes, top_k), kept
    out = _put_back(rows, order, sizes, top_k)
    return out if gates is None else out.mul_(gates.to(out.dtype)), kept


def backward(
    grad: Tensor,
    x: Tensor,
    out: Tensor,
    gates: Tensor | None,
    weights: Weights,
    kept: Kept,
    top_k: int,
    activation: str,
    dropout_rate: float,
    wanted: tuple[bool, bool],
) -> tuple[Tensor, Tensor, Weights]:
    """Compute the gradients of `forward`.

    With s = g grad, dh = s w2', y an expert's output before its gate: dg = <grad, y>, which is
    <grad, out> / g where K = 1, else (<dh, h> + <s, b2>) / g. Of the first choice g is 1/E or
    more; a later choice whose g vanishes has no part in the router's gradient either.

    Args:
        grad: Gradient of the output (M, D).
        x: As in `forward`.
        out: The output, where K = 1 and the gates' gradient is wanted.
        gates: As in `forward`.
        weights: As in `forward`.
        kept: What `forward` returned.
        top_k: K.
        activation: As in `forward`.
        dropout_rate: As in `forward`.
        wanted: Whether the gradients of x and of the gates are wanted.

    Returns:
        Gradients of x (M, D), of the gates (M, K) and of the weights; empty tensors where not
        wanted.
    """
    act = ACTIVATIONS[activation]
    want_x, want_gates = wanted
    order, sizes = kept.order, kept.sizes
    grads = Weights(*(torch.empty_like(weight) for weight in weights))
    products = x.new_zeros(order.numel() if want_gates and top_k > 1 else 0)
    rows, grad_rows = _gather(x, order, top_k), _gather(grad, order, top_k)
    if gates is not None:
        grad_rows.mul_(_sorted_gates(gates, order, grad_rows.dtype))
    grad_scratch = x.new_empty(max(sizes[:-1]), weights.w1.size(2))
    value_scratch = grad_scratch[:0] if act.from_output else torch.empty_like(grad_scratch)
    stop = 0
    for idle in (expert for expert, size in enumerate(sizes[:-1]) if not size):
        for weight_grad in grads:
            weight_grad[idle].zero_()
    for (
        size,
        mine,
        grad_mine,
        w1,
        _,
        w2,
        b2,
        grad_w1,
        grad_b1,
        grad_w2,
        grad_b2,
    ) in _each_busy_expert(sizes, (rows, grad_rows), (*weights, *grads)):
        start, stop = stop, stop + size
        value = saved = kept.hidden[start:stop]
        if not act.from_output:
            value = value_scratch[:size]
            act.into(saved, value)
            if dropout_rate > 0:
                _drop(value, kept.dropped[start:stop], dropout_rate)
        grad_hidden = grad_scratch[:size]
        torch.mm(grad_mine, w2.t(), out=grad_hidden)
        torch.mm(value.t(), grad_mine, out=grad_w2)
        torch.sum(grad_mine, 0, out=grad_b2)
        if products.numel():
            products[start:stop] = torch.linalg.vecdot(grad_hidden, value) + grad_mine @ b2
        if dropout_rate > 0:
            if act.from_output:
                grad_hidden.mul_(1.0 / (1.0 - dropout_rate))
            else:
                _drop(grad_hidden, kept.dropped[start:stop], dropout_rate)
        act.gradient_into(grad_hidden, saved)
        torch.mm(mine.t(), grad_hidden, out=grad_w1)
        torch.sum(grad_hidden, 0, out=grad_b1)
        if want_x:
            # These rows have been used: their place takes their gradient.
            torch.mm(grad_hidden, w1.t(), out=mine)
    grad_x = _put_back(rows, order, sizes, top_k) if want_x else x.new_empty(0)
    grad_gates = x.new_empty(0, dtype=torch.float32)
    if want_gates:
        if top_k == 1:
            products = torch.linalg.vecdot(grad, out)
        else:
            products = torch.empty_like(products).index_copy_(0, order, products)
        grad_gates = products.view(-1, top_k).float()
        if gates is not None:
            smallest = torch.finfo(torch.float32).tiny
            grad_gates = (grad_gates / gates.float().clamp(min=smallest)).to(gates.dtype)
    return grad_x, grad_gates, grads


def _sort_by_expert(chosen: Tensor, num_experts: int) -> tuple[Tensor, list[int]]:
    """`order` and `sizes` of Kept; numpy sorts 16-bit keys by radix."""
    # As unsigned, padding (-1) is the largest key.
    keys = chosen.reshape(-1).numpy().astype(np.uint16)
    order = keys.argsort(kind="stable")
    edges = keys[order].searchsorted(np.arange(num_experts + 1, dtype=np.uint16)).tolist()
    return torch.from_numpy(order), [b - a for a, b in pairwise([*edges, len(keys)])]


def _each_busy_expert(
    sizes: list[int], rows: tuple[Tensor, ...], stacked: tuple[Tensor, ...]
) -> Iterator[tuple[Any, ...]]:
    """The number of rows of each expert that has any, with its rows and its part of tensors."""
    busy = [expert for expert, size in enumerate(sizes[:-1]) if size]
    counts = [sizes[expert] for expert in busy]
    parts: list[Sequence[Tensor]] = [torch.split(each, [*counts, sizes[-1]])[:-1] for each in rows]
    if len(busy) == len(sizes) - 1:
        # One call, where indexing is one for each expert.
        parts += [tensor.unbind() for tensor in stacked]
    else:
        parts += [[tensor[expert] for expert in busy] for tensor in stacked]
    return zip(counts, *parts, strict=True)


def _gather(frames: Tensor, order: Tensor, top_k: int) -> Tensor:
    """(M, D) to rows in expert order (N, D), a new tensor."""
    frame_of_row = order.div(top_k, rounding_mode="floor") if top_k > 1 else order
    return frames.index_select(0, frame_of_row)


def _put_back(rows: Tensor, order: Tensor, sizes: list[int], top_k: int) -> Tensor:
    """Rows in expert order (N, D) to frames (M, D), added up over K; rows of padding count 0."""
    frames = torch.empty_like(rows)
    valid = len(rows) - sizes[-1]
    if valid < len(rows):
        rows[valid:] = 0.0
    if rows.dtype == torch.float32:
        # numpy needs no inverse of the order, and torch's index_copy_ takes three times as long.
        frames.numpy()[order.numpy()] = rows.numpy()
    else:
        frames.index_copy_(0, order, rows)
    return frames if top_k == 1 else frames.view(-1, top_k, rows.size(1)).sum(dim=1)


def _sorted_gates(gates: Tensor, order: Tensor, dtype: torch.dtype) -> Tensor:
    return gates.reshape(-1, 1).index_select(0, order).to(dtype)


def _drop(values: Tensor, dropped: Tensor, rate: float) -> None:
    values.masked_fill_(dropped, 0.0).mul_(1.0 / (1.0 - rate))
