"""Router and fused experts as one step of autograd, for layers in eager mode on a CPU.

This step does the work of router.py and fused_ops.py without the dozens of small operations
between them, which in a small layer cost as much as a quarter of the matrix products. The
router's gradient is added to that of the experts in place. The tests compare this step with
MoEFeedForward's other path, the reference.

Shapes: M frames, E experts, K experts a frame; router values have the frames innermost, (E, M).
"""

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from speechmoe_espnet.moe import fused
from speechmoe_espnet.moe.fused import Kept, Weights

_NUM_OPTIONS = 5


class LayerOptions(NamedTuple):
    """Padding and constants of a layer.

    Attributes:
        padding: Frames that are not valid (M,), bool; None where all are.
        top_k: K.
        straight_through: Whether the gates of a frame add up to 1 in the forward pass.
        activation: Key of ACTIVATIONS.
        dropout_rate: Share of hidden values to drop.
    """

    padding: Tensor | None
    top_k: int
    straight_through: bool
    activation: str
    dropout_rate: float


class LayerOutput(NamedTuple):
    """Output (M, D), router probabilities (E, M), logits (E, M) and chosen experts (M, K)."""

    out: Tensor
    probs: Tensor
    logits: Tensor
    chosen: Tensor


def run_layer(
    x: Tensor,
    embedding_logits: Tensor | None,
    router: Tensor,
    weights: Weights,
    options: LayerOptions,
) -> LayerOutput:
    """Route frames and send them through their experts.

    Args:
        x: Frames (M, D), float32, 0 in padding.
        embedding_logits: The embedding's part of the router logits (E, M), or None.
        router: The router's weights for x (E, D).
        weights: Parameters of the experts, float32.
        options: Padding and constants.

    Returns:
        See LayerOutput; in padding out, probs and logits are 0 and chosen is -1. Differentiable
        once.
    """
    if torch.is_grad_enabled():
        return LayerOutput(*_Layer.apply(x, embedding_logits, router, *weights, *options))
    return _forward(x, embedding_logits, router, weights, options, keep=False)[0]


def _forward(
    x: Tensor,
    embedding_logits: Tensor | None,
    router: Tensor,
    weights: Weights,
    options: LayerOptions,
    keep: bool,
) -> tuple[LayerOutput, Tensor | None, Kept]:
    """The output, the gates (M, K) where they are not 1, and what experts keep."""
    padding, top_k, straight_through, activation, dropout_rate = options
    if embedding_logits is None:
        logits = router.mm(x.t())
    else:
        logits = torch.addmm(embedding_logits, router, x.t())
    if padding is not None:
        logits.masked_fill_(padding, 0.0)
    probs = logits.softmax(dim=0)
    if top_k == 1:
        best, chosen = probs.max(dim=0)
        best, chosen = best.unsqueeze(1), chosen.unsqueeze(1)
    else:
        best, chosen = (values.t() for values in probs.topk(top_k, dim=0))
    if padding is not None:
        probs.masked_fill_(padding, 0.0)
        chosen = chosen.masked_fill(padding.unsqueeze(1), -1)
    gates: Tensor | None = best
    if straight_through:
        gates = None if top_k == 1 else best / best.sum(dim=1, keepdim=True)
    out, kept = fused.forward(x, chosen, gates, weights, activation, dropout_rate, keep)
    return LayerOutput(out, probs, logits, chosen), gates, kept


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, *inputs: Any) -> LayerOutput:
        x, embedding_logits, router, w1, b1, w2, b2, *rest = inputs
        options, weights = LayerOptions(*rest), Weights(w1, b1, w2, b2)
        found, gates, kept = _forward(x, embedding_logits, router, weights, options, keep=True)
        ctx.mark_non_differentiable(found.chosen)
        ctx.set_materialize_grads(False)
        out = found.out if options.top_k == 1 else found.out[:0]
        context = cast(Any, ctx)
        context.save_for_backward(
            x, router, *weights, *kept[:3], out, found.probs, found.chosen, gates, options.padding
        )
        context.options, context.sizes = options._replace(padding=None), kept.sizes
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        x, router, w1, b1, w2, b2, *rest = ctx.saved_tensors
        hidden, dropped, order, out, probs, chosen, gates, padding = rest
        kept = Kept(hidden, dropped, order, ctx.sizes)
        grad_out, grad_probs, grad_logits, _ = grad_outputs
        top_k = ctx.options.top_k
        grad_x, grad_gates, grads = fused.backward(
            torch.zeros_like(x) if grad_out is None else grad_out,
            x,
            out,
            gates,
            Weights(w1, b1, w2, b2),
            kept,
            top_k,
            ctx.options.activation,
            ctx.options.dropout_rate,
            (True, True),
        )
        if ctx.options.straight_through:
            # g = p / stopgrad(sum of chosen p), and dp = dg / (sum of chosen p).
            total = probs.t().gather(1, chosen.clamp(min=0)).sum(dim=1, keepdim=True)
            grad_gates = grad_gates / total.clamp(min=torch.finfo(total.dtype).tiny)
        dprobs = torch.zeros_like(probs) if grad_probs is None else grad_probs.clone()
        dprobs.scatter_add_(0, chosen.clamp(min=0).t(), grad_gates.t())
        dlogits = torch._softmax_backward_data(dprobs, probs, 0, probs.dtype)
        if grad_logits is not None:
            dlogits = dlogits + grad_logits
        if padding is not None:
            dlogits.masked_fill_(padding, 0.0)
        grad_x.addmm_(dlogits.t(), router)
        found = (grad_x, dlogits, dlogits.mm(x), *grads, *([None] * _NUM_OPTIONS))
        return tuple(
            grad if wanted else None
            for grad, wanted in zip(found, ctx.needs_input_grad, strict=True)
        )
