"""Gradient clipping by group: routers, experts and all other parameters.

ESPnet clips all parameters by one norm. A jump in the gradient of the embedding network or of the
output layer then also shrinks the gradient of the routers, which is smaller, and the other way
round.
"""

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn

from speechmoe_espnet.espnet.parameter_groups import parameter_groups
from speechmoe_espnet.moe.expert_parallel import all_ranks, divided_parameters


def clip_grad_norm(
    model: nn.Module,
    parameters: Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
) -> Tensor:
    """Clip gradients as torch.nn.utils.clip_grad_norm_ does, by their norm over all ranks.

    Parameters that are divided among ranks count with all their parts, others once. Every rank
    calls this at once where the model has divided parameters.

    Args:
        model: The model.
        parameters: Those of its parameters to clip.
        max_norm: Limit of their norm.
        norm_type: p of the norm.

    Returns:
        The norm before clipping, the same on every rank.
    """
    parameters = list(parameters)
    divided = {id(parameter) for parameter in divided_parameters(model).values()}
    ranks = all_ranks()
    if not divided or ranks is None:
        return torch.nn.utils.clip_grad_norm_(parameters, max_norm, norm_type)
    dense, experts = (
        torch.nn.utils.get_total_norm(
            [p.grad for p in parameters if p.grad is not None and (id(p) in divided) is wanted],
            norm_type,
        )
        for wanted in (False, True)
    )
    experts = experts.to(next(model.parameters()).device)
    parts = [torch.empty_like(experts) for _ in range(ranks.size)]
    dist.all_gather(parts, experts, group=ranks.group)
    norm = torch.linalg.vector_norm(torch.stack([dense.to(experts), *parts]), norm_type)
    torch.nn.utils.clip_grads_with_norm_(parameters, max_norm, norm)
    return norm


def clip_before_step(
    optimizer: torch.optim.Optimizer, model: nn.Module, max_norm: float, norm_type: float
) -> None:
    """Make an optimizer clip the groups of a model before every step.

    Args:
        optimizer: The optimizer; gradients must not be scaled when it steps.
        model: The model whose parameters it changes.
        max_norm: Limit of each group's norm.
        norm_type: p of the norm.
    """
    optimizer.register_step_pre_hook(lambda *_: clip_groups(model, max_norm, norm_type))


def clip_groups(model: nn.Module, max_norm: float, norm_type: float = 2.0) -> None:
    """Limit the gradients of routers, experts and all others of a model, each on its own.

    Args:
        model: The model.
        max_norm: Limit of each group's norm.
        norm_type: p of the norm.
    """
    for group in parameter_groups(model):
        clip_grad_norm(model, group, max_norm, norm_type)
