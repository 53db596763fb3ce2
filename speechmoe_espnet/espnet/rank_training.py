"""ESPnet's trainer for what it does not know: clipping by group, and ranks that train together.

Routing losses and statistics are those of the whole batch, not of a rank's part. Experts may be
divided among ranks: then DistributedDataParallel leaves them alone, gradients are clipped by the
norm over all ranks, and checkpoints are whole.
"""

import argparse
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import torch
from espnet2.train.trainer import Trainer, TrainerOptions
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from speechmoe_espnet.encoder.base import AbsSpeechMoEEncoder
from speechmoe_espnet.espnet.auxiliary_losses import AuxiliaryLosses
from speechmoe_espnet.espnet.clipping import clip_grad_norm
from speechmoe_espnet.espnet.patches import trainer_clips_by, trainer_scales_with_all_ranks
from speechmoe_espnet.moe.expert_parallel import all_ranks, divided_parameters, leave_to_ranks
from speechmoe_espnet.moe.whole_checkpoint import WholeCheckpoint

OPTIMIZERS_OF_WHOLE_TENSORS = ("fusedlamb", "fusednovograd", "lamb", "lbfgs", "novograd")
"""Those that compute a step from the norm of a tensor, of which a rank has a part."""


def check_divided(args: argparse.Namespace, model: nn.Module) -> None:
    """Refuse what experts that are divided among processes cannot be combined with.

    Attention plots, which the first process draws alone, are turned off.

    Args:
        args: ESPnet's arguments.
        model: The model.

    Raises:
        ValueError: Naming the option and what to set.
    """
    if not divided_parameters(model):
        return
    for name in ("sharded_ddp", "use_deepspeed"):
        if getattr(args, name):
            raise ValueError(
                f"{name}: true cannot be combined with moe_conf: expert_parallel: true, which "
                "divides the experts already; set one of them to false"
            )
    if args.optim in OPTIMIZERS_OF_WHOLE_TENSORS:
        raise ValueError(
            f"optim: {args.optim} takes norms of whole tensors, and with moe_conf: "
            "expert_parallel: true a process has a part of them; use adamw, or set it to false"
        )
    if args.num_att_plot:
        args.num_att_plot = 0
        logging.warning(
            "num_att_plot: set to 0, because with moe_conf: expert_parallel: true the first "
            "process cannot run the model alone"
        )


class RankTrainer(Trainer):
    """ESPnet's trainer for several processes and for `clip_by_group`.

    Attributes:
        whole: Checkpoints of divided experts; None where every process has all experts.
    """

    whole: ClassVar[WholeCheckpoint | None] = None

    @classmethod
    def build_options(cls, args: argparse.Namespace) -> TrainerOptions:
        """ESPnet's options; with clip_by_group no limit on the norm of all gradients."""
        options: TrainerOptions = super().build_options(args)
        if args.model_conf.get("clip_by_group", False):
            return replace(options, grad_clip=math.inf)
        return options

    @classmethod
    def run(
        cls, model: nn.Module, optimizers: Sequence[torch.optim.Optimizer], **rest: Any
    ) -> None:
        """Train, with experts divided among ranks where the model has them so."""
        divided = bool(divided_parameters(model))
        bound, contexts = cls, ExitStack()
        if divided:
            leave_to_ranks(model)
            whole = WholeCheckpoint(model, optimizers)
            bound = type(cls.__name__, (cls,), {"whole": whole})
            contexts.enter_context(trainer_clips_by(partial(clip_grad_norm, model)))
            contexts.enter_context(trainer_scales_with_all_ranks())
        if isinstance(model, AuxiliaryLosses):
            model.experts_in_training = True
        with contexts:
            super(RankTrainer, bound).run(model=model, optimizers=optimizers, **rest)

    @classmethod
    def train_one_epoch(cls, model: nn.Module, **rest: Any) -> bool:
        """Train an epoch as ESPnet does; then experts are gathered, for the checkpoint."""
        if cls.whole is not None:
            cls.whole.release()
        with _together(model):
            failed: bool = super().train_one_epoch(model=model, **rest)
        if cls.whole is not None:
            cls.whole.gather()
        return failed

    @classmethod
    def validate_one_epoch(cls, model: nn.Module, **rest: Any) -> None:
        """Validate as ESPnet does."""
        with _together(model):
            super().validate_one_epoch(model=model, **rest)


@contextmanager
def _together(model: nn.Module) -> Iterator[None]:
    """In this context every rank runs the model at the same time."""
    inner = model.module if isinstance(model, DistributedDataParallel) else model
    if not isinstance(inner, AuxiliaryLosses) or not isinstance(inner.encoder, AbsSpeechMoEEncoder):
        yield
        return
    # Ranks leave out blocks of their own, so that there would be no sum of a layer over all.
    if not any(inner.encoder.backbone.stochastic_depth):
        inner.ranks = all_ranks()
    try:
        yield
    finally:
        inner.ranks = None
