"""Experts by grouped matrix multiplication, for GPUs: the host never waits for the device.

All rows are sorted by expert once, one kernel multiplies each group by its expert's weights, and
the rows are put back. No step depends on values that only the device knows: no `.item()`, no
`nonzero`, no shape that varies with the routing. So the host does not stall, and torch.compile
fuses the steps between the two products. Padding stays in the last group, as zeros with gate 0:
removing it would need its amount on the host.

Shapes: M frames, K experts a frame, N = M K rows, E experts, D and H as in the package.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from speechmoe_espnet.moe.fused import Weights

ROW_BYTES = 16

type Function = Callable[[Tensor], Tensor]


def obstacle(input_size: int, hidden_size: int) -> str:
    """Say why grouped_mm cannot run with these widths; empty where it can."""
    if not hasattr(F, "grouped_mm"):
        return f"torch {torch.__version__} has no torch.nn.functional.grouped_mm"
    # Rows of bfloat16 are the shortest in use: both widths must fill 16 bytes there.
    multiple = ROW_BYTES // torch.bfloat16.itemsize
    for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
        if size % multiple:
            return f"{name} {size} is not a multiple of {multiple}"
    return ""


def run_experts(
    x: Tensor,
    chosen: Tensor,
    gates: Tensor | None,
    weights: Weights,
    activation: Function,
    dropout: Function,
) -> Tensor:
    """Send each frame through its experts.

    Args:
        x: Frames (M, D), finite in padding.
        chosen: Experts of each frame (M, K), int64; -1 for padding.
        gates: Factors (M, K), or None for 1.
        weights: Parameters, of the type of x.
        activation: Element-wise function.
        dropout: Applied to hidden values.

    Returns:
        (M, D), 0 in padding.
    """
    frames, top_k = chosen.shape
    num_experts = weights.w1.size(0)
    valid = chosen >= 0
    keys = torch.where(valid, chosen, num_experts - 1).reshape(-1)
    expert_of_row, order = keys.sort(stable=True)
    experts = torch.arange(num_experts, device=keys.device)
    offsets = torch.searchsorted(expert_of_row, experts, right=True).to(torch.int32)
    inverse = torch.empty_like(order).scatter_(
        0, order, torch.arange(order.numel(), device=order.device)
    )
    rows = x.unsqueeze(1).expand(-1, top_k, -1).reshape(-1, x.size(1)) if top_k > 1 else x
    rows = _permute(rows, order, inverse)
    hidden = grouped_mm(rows, weights.w1, offsets) + weights.b1.index_select(0, expert_of_row)
    hidden = dropout(activation(hidden))
    out = grouped_mm(hidden, weights.w2, offsets) + weights.b2.index_select(0, expert_of_row)
    out = _permute(out, inverse, order).view(frames, top_k, x.size(1))
    scale = valid if gates is None else gates.masked_fill(~valid, 0.0)
    return (out * scale.unsqueeze(-1).to(out.dtype)).sum(dim=1)


class _Permute(torch.autograd.Function):
    """Rows in another order; the gradient goes back by a gather, not by adding up."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(order, inverse)
        return rows.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        order, inverse = ctx.saved_tensors
        return _permute(grads[0], inverse, order), None, None


def _permute(rows: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
    return cast(Tensor, _Permute.apply(rows, order, inverse))


def grouped_mm(rows: Tensor, weights: Tensor, offsets: Tensor) -> Tensor:
    """Multiply each group of rows by its own matrix, compiled or not.

    Args:
        rows: (N, D), sorted by group.
        weights: (E, D, H).
        offsets: Where each group ends (E,), int32, the last one N.

    Returns:
        (N, H).
    """
    # torch.compile cannot follow grouped_mm in float32 (torch 2.11 to 2.14).
    if torch.compiler.is_compiling() and rows.dtype != torch.bfloat16:
        return _grouped_mm_op(rows, weights, offsets)
    return F.grouped_mm(rows, weights, offs=offsets)


@torch.library.custom_op("speechmoe::grouped_mm", mutates_args=())
def _grouped_mm_op(rows: Tensor, weights: Tensor, offsets: Tensor) -> Tensor:
    """(N, D) times (E, D, H), or (D, N) times (N, H) for the gradient of the weights."""
    return F.grouped_mm(rows, weights, offs=offsets)


@_grouped_mm_op.register_fake
def _(rows: Tensor, weights: Tensor, offsets: Tensor) -> Tensor:
    if weights.dim() == 3:
        return rows.new_empty(rows.size(0), weights.size(2))
    return rows.new_empty(offsets.size(0), rows.size(0), weights.size(1))


def _keep_operands(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _grouped_mm_backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
    rows, weights, offsets = ctx.saved_tensors
    grad = grad.contiguous()
    return (
        _grouped_mm_op(grad, weights.transpose(1, 2), offsets),
        _grouped_mm_op(rows.t(), grad, offsets),
        None,
    )


_grouped_mm_op.register_autograd(_grouped_mm_backward, setup_context=_keep_operands)
