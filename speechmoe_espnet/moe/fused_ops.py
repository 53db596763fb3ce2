"""Fused experts as an autograd function and as operators of torch.compile.

Eager mode calls the autograd function. torch.compile cannot look into the two passes, because
the rows of an expert are known only at run time; there they are operators that declare their
shapes (`torch.library`).
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from speechmoe_espnet.moe import fused
from speechmoe_espnet.moe.activation import ACTIVATIONS
from speechmoe_espnet.moe.fused import Kept, Weights

# x, chosen, gates, w1, b1, w2, b2, activation, dropout_rate
_NUM_INPUTS = 9


def run_experts(
    x: Tensor,
    chosen: Tensor,
    gates: Tensor | None,
    weights: Weights,
    activation: str,
    dropout_rate: float,
) -> Tensor:
    """Run `fused.forward`, differentiable once.

    Args:
        x: Frames (M, D) on a CPU.
        chosen: Experts of each frame (M, K), int64; -1 for padding.
        gates: Factors (M, K), or None for 1.
        weights: Parameters, of the type of x.
        activation: Key of ACTIVATIONS.
        dropout_rate: Share of hidden values to drop.

    Returns:
        (M, D), 0 in padding.
    """
    if torch.compiler.is_compiling():
        if torch.is_grad_enabled():
            return _training_op(x, chosen, gates, *weights, activation, dropout_rate)[0]
        return _inference_op(x, chosen, gates, *weights, activation, dropout_rate)
    if torch.is_grad_enabled():
        return cast(Tensor, _Experts.apply(x, chosen, gates, *weights, activation, dropout_rate))
    return fused.forward(x, chosen, gates, weights, activation, dropout_rate, keep=False)[0]


class _Experts(torch.autograd.Function):
    """Autograd function of eager mode, cheaper to call than an operator."""

    @staticmethod
    def forward(ctx: FunctionCtx, *inputs: Any) -> Tensor:
        x, chosen, gates, w1, b1, w2, b2, activation, dropout_rate = inputs
        weights = Weights(w1, b1, w2, b2)
        out, kept = fused.forward(x, chosen, gates, weights, activation, dropout_rate, keep=True)
        _save(ctx, inputs, out, kept[:3])
        cast(Any, ctx).sizes = kept.sizes
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        x, out, gates, w1, b1, w2, b2, hidden, dropped, order = ctx.saved_tensors
        grad_x, grad_gates, grads = fused.backward(
            grad_outputs[0],
            x,
            out,
            gates,
            Weights(w1, b1, w2, b2),
            Kept(hidden, dropped, order, ctx.sizes),
            ctx.top_k,
            ctx.activation,
            ctx.dropout_rate,
            _wanted(ctx),
        )
        return _gradients(ctx, grad_x, grad_gates, grads)


def _save(ctx: Any, inputs: tuple[Any, ...], out: Tensor, kept: tuple[Tensor, ...]) -> None:
    x, chosen, gates, *weights, activation, dropout_rate = inputs
    needs_out = chosen.size(1) == 1 and ctx.needs_input_grad[2]
    ctx.save_for_backward(x, out if needs_out else out[:0], gates, *weights, *kept)
    ctx.top_k, ctx.activation, ctx.dropout_rate = chosen.size(1), activation, dropout_rate


def _wanted(ctx: Any) -> tuple[bool, bool]:
    return ctx.needs_input_grad[0], ctx.needs_input_grad[2]


def _gradients(
    ctx: Any, grad_x: Tensor, grad_gates: Tensor, grads: Weights
) -> tuple[Tensor | None, ...]:
    """One gradient per input, None where it is not needed."""
    found = (grad_x, None, grad_gates, *grads, None, None)
    assert len(found) == _NUM_INPUTS
    return tuple(
        grad if wanted else None for grad, wanted in zip(found, ctx.needs_input_grad, strict=True)
    )


@torch.library.custom_op(
    "speechmoe::experts", mutates_args=(), tags=(torch.Tag.nondeterministic_seeded,)
)
def _training_op(
    x: Tensor,
    chosen: Tensor,
    gates: Tensor | None,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    activation: str,
    dropout_rate: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Output and the fields of Kept, the last one as a tensor."""
    weights = Weights(w1, b1, w2, b2)
    out, kept = fused.forward(x, chosen, gates, weights, activation, dropout_rate, keep=True)
    return out, kept.hidden, kept.dropped, kept.order, torch.tensor(kept.sizes)


@_training_op.register_fake
def _(
    x: Tensor,
    chosen: Tensor,
    gates: Tensor | None,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    activation: str,
    dropout_rate: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    rows, width = chosen.numel(), w1.size(2)
    drops = dropout_rate > 0 and not ACTIVATIONS[activation].from_output
    return (
        torch.empty_like(x),
        x.new_empty(rows, width),
        x.new_empty((rows, width) if drops else (0, 0), dtype=torch.bool),
        chosen.new_empty(rows),
        chosen.new_empty(w1.size(0) + 1),
    )


@torch.library.custom_op("speechmoe::experts_backward", mutates_args=())
def _backward_op(
    grad: Tensor,
    x: Tensor,
    out: Tensor,
    gates: Tensor | None,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    hidden: Tensor,
    dropped: Tensor,
    order: Tensor,
    sizes: Tensor,
    top_k: int,
    activation: str,
    dropout_rate: float,
    want_x: bool,
    want_gates: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of x, gates, w1, b1, w2, b2."""
    grad_x, grad_gates, grads = fused.backward(
        grad,
        x,
        out,
        gates,
        Weights(w1, b1, w2, b2),
        Kept(hidden, dropped, order, sizes.tolist()),
        top_k,
        activation,
        dropout_rate,
        (want_x, want_gates),
    )
    return grad_x, grad_gates, *grads


@_backward_op.register_fake
def _(
    grad: Tensor,
    x: Tensor,
    out: Tensor,
    gates: Tensor | None,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    hidden: Tensor,
    dropped: Tensor,
    order: Tensor,
    sizes: Tensor,
    top_k: int,
    activation: str,
    dropout_rate: float,
    want_x: bool,
    want_gates: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    no_gates = x.new_empty(0, dtype=torch.float32)
    return (
        torch.empty_like(x) if want_x else x.new_empty(0),
        torch.empty_like(gates) if want_gates and gates is not None else no_gates,
        torch.empty_like(w1),
        torch.empty_like(b1),
        torch.empty_like(w2),
        torch.empty_like(b2),
    )


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    _save(ctx, inputs, output[0], output[1:])


def _training_backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
    grad_x, grad_gates, *grads = _backward_op(
        grad, *ctx.saved_tensors, ctx.top_k, ctx.activation, ctx.dropout_rate, *_wanted(ctx)
    )
    return _gradients(ctx, grad_x, grad_gates, Weights(*grads))


_training_op.register_autograd(_training_backward, setup_context=_setup_context)


@torch.library.custom_op("speechmoe::experts_inference", mutates_args=())
def _inference_op(
    x: Tensor,
    chosen: Tensor,
    gates: Tensor | None,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    activation: str,
    dropout_rate: float,
) -> Tensor:
    """Output alone."""
    weights = Weights(w1, b1, w2, b2)
    return fused.forward(x, chosen, gates, weights, activation, dropout_rate, keep=False)[0]


@_inference_op.register_fake
def _(
    x: Tensor,
    chosen: Tensor,
    gates: Tensor | None,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    activation: str,
    dropout_rate: float,
) -> Tensor:
    return torch.empty_like(x)
