"""Gradient clipping by group: routers, experts and all other parameters.

ESPnet clips all parameters by one norm. A jump in the gradient of the embedding network or of the
output layer then also shrinks the gradient of the routers, which is smaller, and the other way
round.
"""

import argparse
import math
from dataclasses import replace

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
    optimizer.register_step_pre_hook(lambda *_: clip_groups(model, max_norm, norm_type))


def clip_groups(model: nn.Module, max_norm: float, norm_type: float = 2.0) -> None:
    """Limit the gradients of routers, experts and all others of a model, each on its own.

    Args:
        model: The model.
        max_norm: Limit of each group's norm.
        norm_type: p of the norm.
    """
    for group in parameter_groups(model):
        torch.nn.utils.clip_grad_norm_(group, max_norm, norm_type)
