"""Routing statistics for training logs: expert load and router confidence."""

import math

import torch
from torch import Tensor

from speechmoe_espnet.moe.expert_parallel import Ranks, sum_over_ranks
from speechmoe_espnet.moe.losses import expert_load
from speechmoe_espnet.moe.router import Routing


@torch.no_grad()
def routing_stats(
    routing: tuple[Routing, ...], mask: Tensor, ranks: Ranks | None = None
) -> dict[str, Tensor]:
    """Expert load and router confidence, averaged over layers, without leaving the device.

    Args:
        routing: Routing of each layer.
        mask: Valid frames (B, T'), bool.
        ranks: Ranks whose frames count as well; every rank calls this at once.

    Returns:
        expert_load_min and expert_load_max: smallest and largest share of frames an expert
        gets; expert_load_entropy: entropy of the shares over log E, 1 = balanced;
        router_confidence: mean probability of the first choice.
    """
    num_experts = routing[0].probs.size(-1)
    indices = torch.stack([layer.indices for layer in routing])
    loads = expert_load(indices, mask, num_experts, ranks)
    entropy = -torch.special.xlogy(loads, loads).sum(dim=1) / math.log(num_experts)
    top = torch.stack([layer.probs.amax(dim=-1) for layer in routing])
    sums = torch.stack([(top * mask).sum(), mask.sum() * float(len(routing))])
    total, count = sum_over_ranks(sums, ranks)
    return {
        "expert_load_min": loads.amin(dim=1).mean(),
        "expert_load_max": loads.amax(dim=1).mean(),
        "expert_load_entropy": entropy.mean(),
        "router_confidence": total / count.clamp(min=1.0),
    }
