"""Gradient clipping by group: routers, experts and all other parameters.

ESPnet clips all parameters by one norm. A jump in the gradient of the embedding network or of the
output layer then also shrinks the gradient of the routers, which is smaller, and the other way
round.
"""

import argparse
import math
from dataclasses import replace
from typing import Any

import torch
from espnet2.train.trainer import Trainer, TrainerOptions
from torch import nn

from speechmoe_espnet.espnet.parameter_groups import parameter_groups


class GroupClippingTrainer(Trainer):
    """ESPnet's trainer, which leaves clipping to the optimizer where `clip_by_group` is set."""

    @classmethod
    def build_options(cls, args: argparse.Namespace) -> TrainerOptions:
        """ESPnet's options; with clip_by_group no limit on the norm of all gradients."""
        options: TrainerOptions = super().build_options(args)
        if args.model_conf.get("clip_by_group", False):
            return replace(options, grad_clip=math.inf)
        return options


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
    groups = parameter_groups(model)

    def clip(_: Any, __: Any, ___: Any) -> None:
        for group in groups:
            torch.nn.utils.clip_grad_norm_(group, max_norm, norm_type)

    optimizer.register_step_pre_hook(clip)
