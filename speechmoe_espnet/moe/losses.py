"""Auxiliary losses on router probabilities, each a scalar for one layer.

All are means over valid frames, so padding and batch size do not change what a weight
means. The mask is required: a loss that counts padding is wrong without looking wrong.
"""

import torch
from torch import Tensor


def sparsity_l1_loss(probs: Tensor, mask: Tensor) -> Tensor:
    """Sparsity L1 loss: mean over frames of || p / ||p||_2 ||_1.

    1 when every frame is certain of one expert, sqrt(E) when it is undecided. SpeechMoE
    (arXiv 2105.03036), equation 6.

    Args:
        probs: Router probabilities (B, T, E).
        mask: Valid frames (B, T), bool.

    Returns:
        Scalar tensor.
    """
    safe = probs.masked_fill(~mask.unsqueeze(-1), 1.0)
    unit = safe / safe.norm(p=2, dim=-1, keepdim=True)
    return _mean_over_frames(unit.abs().sum(dim=-1), mask)


def mean_importance_loss(probs: Tensor, mask: Tensor) -> Tensor:
    """Mean importance loss: E * sum_j (mean over frames of p_j)^2.

    1 when the experts are equally important, E when one takes all. SpeechMoE
    (arXiv 2105.03036), equation 7.

    Args:
        probs: Router probabilities (B, T, E).
        mask: Valid frames (B, T), bool.

    Returns:
        Scalar tensor.
    """
    importance = _mean_over_frames(probs, mask)
    return probs.size(-1) * importance.square().sum()


def switch_load_balance_loss(probs: Tensor, indices: Tensor, mask: Tensor) -> Tensor:
    """Load-balance loss: E * sum_j f_j P_j, f_j the share of frames sent to expert j.

    Switch Transformer (arXiv 2101.03961), equations 4 to 6.

    Args:
        probs: Router probabilities (B, T, E).
        indices: Chosen experts (B, T, K); values in padding are ignored.
        mask: Valid frames (B, T), bool.

    Returns:
        Scalar tensor; its gradient flows through the probabilities alone.
    """
    load = expert_load(indices, mask, probs.size(-1))
    return probs.size(-1) * (load.to(probs.dtype) * _mean_over_frames(probs, mask)).sum()


def router_z_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """Router z-loss: mean over frames of logsumexp(logits)^2.

    ST-MoE (arXiv 2202.08906), equation 5: keeps router logits small.

    Args:
        logits: Router logits (B, T, E).
        mask: Valid frames (B, T), bool.

    Returns:
        Scalar tensor.
    """
    return _mean_over_frames(logits.logsumexp(dim=-1).square(), mask)


def expert_load(indices: Tensor, mask: Tensor, num_experts: int) -> Tensor:
    """Share of frames each expert receives.

    Args:
        indices: Chosen experts (B, T, K); values in padding are ignored.
        mask: Valid frames (B, T), bool.
        num_experts: E.

    Returns:
        Shares (E,), float32, summing to 1 where there is a valid frame.
    """
    chosen = indices.masked_fill(~mask.unsqueeze(-1), num_experts).reshape(-1)
    counts = torch.zeros(num_experts + 1, device=indices.device)
    counts.index_add_(0, chosen, torch.ones_like(chosen, dtype=counts.dtype))
    counts = counts[:num_experts]
    return counts / counts.sum().clamp(min=1.0)


def _mean_over_frames(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the valid frames of (B, T) or (B, T, E): a scalar or (E,)."""
    weight = mask.to(values.dtype)
    total = weight.sum().clamp(min=1.0)
    if values.dim() == 3:
        return (values * weight.unsqueeze(-1)).sum(dim=(0, 1)) / total
    return (values * weight).sum() / total
