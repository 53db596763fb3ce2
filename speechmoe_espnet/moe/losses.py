"""Auxiliary losses on router probabilities, each a scalar for one layer.

All are means over valid frames: the meaning of a weight does not depend on padding or batch size.
The mask is required, because a loss that counts padding is wrong and still looks right.
Layers may be stacked in front, (L, B, T, E) for (B, T, E): the losses of all layers, (L,), then
take about as many kernel launches as those of one.

Given the ranks of a training, frames are those of all ranks: a loss is that of the whole batch and
the same on every rank, which all call at once.
"""

import torch
from torch import Tensor

from speechmoe_espnet.moe.expert_parallel import Ranks, sum_over_ranks


def sparsity_l1_loss(probs: Tensor, mask: Tensor, ranks: Ranks | None = None) -> Tensor:
    """Sparsity L1 loss: mean over frames of || p / ||p||_2 ||_1.

    1 when every frame is certain of one expert, sqrt(E) when it is undecided. SpeechMoE
    (arXiv 2105.03036), equation 6.

    Args:
        probs: Router probabilities (..., B, T, E).
        mask: Valid frames (B, T), bool.
        ranks: Ranks whose frames count as well.

    Returns:
        Scalar tensor, or (...) for stacked layers.
    """
    safe = probs.masked_fill(~mask.unsqueeze(-1), 1.0)
    unit = safe / safe.norm(p=2, dim=-1, keepdim=True)
    return _mean_over_frames(unit.abs().sum(dim=-1), mask, (-2, -1), ranks)


def mean_importance_loss(probs: Tensor, mask: Tensor, ranks: Ranks | None = None) -> Tensor:
    """Mean importance loss: E * sum_j (mean over frames of p_j)^2.

    1 when the experts are equally important, E when one takes all. SpeechMoE
    (arXiv 2105.03036), equation 7.

    Args:
        probs: Router probabilities (..., B, T, E).
        mask: Valid frames (B, T), bool.
        ranks: Ranks whose frames count as well.

    Returns:
        Scalar tensor, or (...) for stacked layers.
    """
    importance = _mean_over_frames(probs, mask.unsqueeze(-1), (-3, -2), ranks)
    return probs.size(-1) * importance.square().sum(dim=-1)


def switch_load_balance_loss(
    probs: Tensor, indices: Tensor, mask: Tensor, ranks: Ranks | None = None
) -> Tensor:
    """Load-balance loss: E * sum_j f_j P_j, f_j the share of frames sent to expert j.

    Switch Transformer (arXiv 2101.03961), equations 4 to 6.

    Args:
        probs: Router probabilities (..., B, T, E).
        indices: Chosen experts (..., B, T, K); values in padding are ignored.
        mask: Valid frames (B, T), bool.
        ranks: Ranks whose frames count as well.

    Returns:
        Scalar tensor, or (...) for stacked layers; its gradient flows through the
        probabilities alone.
    """
    load = expert_load(indices, mask, probs.size(-1), ranks)
    importance = _mean_over_frames(probs, mask.unsqueeze(-1), (-3, -2), ranks)
    return probs.size(-1) * (load.to(probs.dtype) * importance).sum(dim=-1)


def router_z_loss(logits: Tensor, mask: Tensor, ranks: Ranks | None = None) -> Tensor:
    """Router z-loss: mean over frames of logsumexp(logits)^2.

    ST-MoE (arXiv 2202.08906), equation 5: keeps router logits small.

    Args:
        logits: Router logits (..., B, T, E).
        mask: Valid frames (B, T), bool.
        ranks: Ranks whose frames count as well.

    Returns:
        Scalar tensor, or (...) for stacked layers.
    """
    return _mean_over_frames(logits.logsumexp(dim=-1).square(), mask, (-2, -1), ranks)


def expert_load(
    indices: Tensor, mask: Tensor, num_experts: int, ranks: Ranks | None = None
) -> Tensor:
    """Share of frames each expert receives.

    Args:
        indices: Chosen experts (..., B, T, K); values in padding are ignored.
        mask: Valid frames (B, T), bool.
        num_experts: E.
        ranks: Ranks whose frames count as well.

    Returns:
        Shares (..., E), float32, summing to 1 where there is a valid frame.
    """
    chosen = indices.masked_fill(~mask.unsqueeze(-1), num_experts).flatten(-3)
    counts = torch.zeros(*chosen.shape[:-1], num_experts + 1, device=indices.device)
    counts.scatter_add_(-1, chosen, torch.ones_like(chosen, dtype=counts.dtype))
    counts = sum_over_ranks(counts[..., :num_experts], ranks)
    return counts / counts.sum(dim=-1, keepdim=True).clamp(min=1.0)


def _mean_over_frames(
    values: Tensor, mask: Tensor, frame_dims: tuple[int, int], ranks: Ranks | None
) -> Tensor:
    """Mean over the valid frames of the dimensions `frame_dims`, those where `mask` is True."""
    weight = mask.to(values.dtype)
    sums, count = (values * weight).sum(dim=frame_dims), weight.sum()
    if ranks is not None:
        total = sum_over_ranks(torch.cat([sums.flatten(), count.view(1)]), ranks)
        sums, count = total[:-1].view(sums.shape), total[-1]
    return sums / count.clamp(min=1.0)
