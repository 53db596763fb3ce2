"""Other implementations of experts, rewritten for the weights of one of our layers.

Like `moe.Experts`, each takes the frames, the chosen experts and the gates, so that comparisons
measure experts alone. Tests check that each gives the same result as ours.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechmoe_espnet.moe import Experts
from speechmoe_espnet.moe.activation import ACTIVATIONS

type RunExperts = Callable[[Tensor, Tensor, Tensor], Tensor]


def loop(experts: Experts) -> RunExperts:
    """Loop over experts with boolean selection, as in WeNet's positionwise layer."""
    activation = ACTIVATIONS[experts.activation].function

    def run(x: Tensor, chosen: Tensor, gates: Tensor) -> Tensor:
        out = torch.zeros_like(x)
        for expert in range(experts.num_experts):
            frames, choice = torch.where(chosen == expert)
            hidden = activation(F.linear(x[frames], experts.w1[expert].t(), experts.b1[expert]))
            rows = F.linear(hidden, experts.w2[expert].t(), experts.b2[expert])
            out[frames] += gates[frames, choice, None] * rows
        return out

    return run


def all_experts(experts: Experts) -> RunExperts:
    """Every expert on every frame by einsum; the outputs of other experts are multiplied by 0."""
    activation = ACTIVATIONS[experts.activation].function

    def run(x: Tensor, chosen: Tensor, gates: Tensor) -> Tensor:
        scale = x.new_zeros(len(x), experts.num_experts).scatter(1, chosen, gates)
        hidden = torch.einsum("md,edh->emh", x, experts.w1) + experts.b1.unsqueeze(1)
        rows = torch.einsum("emh,ehd->emd", activation(hidden), experts.w2)
        return torch.einsum("emd,me->md", rows + experts.b2.unsqueeze(1), scale)

    return run


def transformers_grouped(experts: Experts) -> RunExperts | None:
    """Grouped experts of Hugging Face transformers, or None if it is not installed."""
    try:
        from transformers.integrations.moe import grouped_mm_experts_forward
    except ImportError:
        return None
    holder = _TransformersExperts(experts)

    def run(x: Tensor, chosen: Tensor, gates: Tensor) -> Tensor:
        out: Tensor = grouped_mm_experts_forward(holder, x, chosen, gates)
        return out

    return run


class _TransformersExperts(nn.Module):
    """Our parameters with the names and switches that transformers expects."""

    has_gate = False
    has_bias = True
    has_post_expert_norm = False
    is_transposed = True
    _is_expert_parallel = False

    def __init__(self, experts: Experts) -> None:
        super().__init__()
        self.num_experts = experts.num_experts
        self.act_fn = ACTIVATIONS[experts.activation].function
        self.up_proj, self.up_proj_bias = experts.w1, experts.b1
        self.down_proj, self.down_proj_bias = experts.w2, experts.b2
