"""Parameter groups with learning rates of their own: routers, experts and all others.

A router decides for every frame and hardens quickly; an expert sees a share of the frames. A good
learning rate for the rest of a model need not be good for them.
"""

import argparse
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from espnet2.tasks import abs_task
from torch import nn

from speechmoe_espnet.moe import Experts, Router

# These set every parameter group to one rate and would undo the scales.
SCHEDULERS_OF_ONE_RATE = (
    "cosineannealingwarmuprestarts",
    "cycliclr",
    "exponentialdecaywarmup",
    "onecyclelr",
    "piecewiselinearwarmuplr",
)


class ParameterGroups(NamedTuple):
    """Parameters of a model, each in one group, in the model's order.

    Attributes:
        rest: All parameters that are in no other group, dense feed-forward layers included.
        routers: Parameters of the routers.
        experts: Parameters of the experts that a router chooses from.
    """

    rest: list[nn.Parameter]
    routers: list[nn.Parameter]
    experts: list[nn.Parameter]


class ScaledGroup(NamedTuple):
    """Parameters with a learning rate of their own.

    Attributes:
        name: "rest", "routers" or "experts".
        scale: Learning rate as a multiple of the model's.
        parameters: The parameters.
    """

    name: str
    scale: float
    parameters: list[nn.Parameter]


def parameter_groups(model: nn.Module) -> ParameterGroups:
    """Split the parameters of a model into groups."""
    routers = {id(p) for module in model.modules() for p in _of_router(module)}
    experts = {id(p) for module in model.modules() for p in _of_experts(module)}
    groups = ParameterGroups([], [], [])
    for parameter in model.parameters():
        if id(parameter) in routers:
            groups.routers.append(parameter)
        elif id(parameter) in experts:
            groups.experts.append(parameter)
        else:
            groups.rest.append(parameter)
    return groups


def optimizer_with_scales(
    args: argparse.Namespace, model: nn.Module, router_scale: float, expert_scale: float
) -> torch.optim.Optimizer:
    """Build the optimizer of a configuration, with rates of their own for routers and experts.

    A group whose scale is 1 stays with the rest.

    Args:
        args: ESPnet's arguments.
        model: The model.
        router_scale: Learning rate of the routers as a multiple of the model's.
        expert_scale: Learning rate of the experts as a multiple of the model's.

    Returns:
        The optimizer: the rest first, then the routers, then the experts.

    Raises:
        ValueError: Where another option of the configuration cannot be combined with scales.
    """
    scales = {"router_lr_scale": router_scale, "expert_lr_scale": expert_scale}
    shown = ", ".join(f"{name} {scale}" for name, scale in scales.items() if scale != 1.0)
    if args.sharded_ddp or args.exclude_weight_decay:
        raise ValueError(
            f"model_conf: {shown} cannot be combined with sharded_ddp or "
            "exclude_weight_decay; set it to 1.0"
        )
    if args.scheduler in SCHEDULERS_OF_ONE_RATE:
        raise ValueError(
            f"model_conf: {shown} would be undone by scheduler: "
            f"{args.scheduler}; use tristagelr, warmuplr or another that keeps group rates"
        )
    optim_class = abs_task.optim_classes.get(args.optim)
    if optim_class is None:
        raise ValueError(f"optim: {args.optim!r} is not one of {sorted(abs_task.optim_classes)}")
    groups = scaled_groups(model, router_scale, expert_scale)
    optimizer: torch.optim.Optimizer = optim_class(
        [{"params": group.parameters} for group in groups], **args.optim_conf
    )
    scale_rates(optimizer, groups)
    return optimizer


def scaled_groups(model: nn.Module, router_scale: float, expert_scale: float) -> list[ScaledGroup]:
    """Split the parameters of a model into groups with rates of their own.

    Args:
        model: The model.
        router_scale: Learning rate of the routers as a multiple of the model's.
        expert_scale: Learning rate of the experts as a multiple of the model's.

    Returns:
        The rest first, then the routers, then the experts. A group whose scale is 1 stays with the
        rest.
    """
    groups = parameter_groups(model)
    named = (("routers", router_scale), ("experts", expert_scale))
    scaled = [
        ScaledGroup(name, scale, getattr(groups, name)) for name, scale in named if scale != 1.0
    ]
    elsewhere = {id(p) for group in scaled for p in group.parameters}
    rest = [p for p in model.parameters() if id(p) not in elsewhere]
    return [ScaledGroup("rest", 1.0, rest), *scaled]


def scale_rates(optimizer: torch.optim.Optimizer, groups: Sequence[ScaledGroup]) -> None:
    """Scale the learning rates of an optimizer that was built of groups, in their order."""
    for settings, group in zip(optimizer.param_groups, groups, strict=True):
        settings["lr"] *= group.scale


def _of_router(module: nn.Module) -> Iterator[nn.Parameter]:
    if isinstance(module, Router):
        yield from module.parameters()


def _of_experts(module: nn.Module) -> Iterator[nn.Parameter]:
    if isinstance(module, Experts) and module.num_experts > 1:
        yield from module.parameters()
