"""ESPnet's ASR task with the plug-in registered."""

import argparse
import inspect
from collections.abc import Sequence
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from espnet2.asr.espnet_model import ESPnetASRModel
from espnet2.tasks.asr import ASRTask, encoder_choices

from speechmoe_espnet.encoder.base import AbsSpeechMoEEncoder
from speechmoe_espnet.encoder.options import MOE_KEYS, with_nested_routing
from speechmoe_espnet.espnet.checkpoints import (
    forget_averages,
    repair_after_kill,
    write_train_stats,
)
from speechmoe_espnet.espnet.clipping import GroupClippingTrainer, clip_before_step
from speechmoe_espnet.espnet.data_sources import check_sources
from speechmoe_espnet.espnet.experiment_config import check_normalization
from speechmoe_espnet.espnet.length_check import check_lengths
from speechmoe_espnet.espnet.model import SpeechMoEASRModel
from speechmoe_espnet.espnet.parameter_groups import optimizer_with_scales
from speechmoe_espnet.espnet.patches import init_param_loader, training_patches
from speechmoe_espnet.espnet.registry import register
from speechmoe_espnet.espnet.set_check import check_sets
from speechmoe_espnet.espnet.upcycling import load_init_param
from speechmoe_espnet.moe import MoEOptions
from speechmoe_espnet.system.memory import total_bytes

DEFAULT_BINS = 80
"""Features a frame of ESPnet's default frontend."""


class SpeechMoEASRTask(ASRTask):
    """ESPnet's ASRTask with the same arguments, extended for SpeechMoE.

    The model defaults to `speechmoe`. `--init_param` upcycles a dense baseline. Routers and
    experts may have learning rates of their own. Too-short utterances are named before training
    starts. Checkpoints are written atomically, and train_stats.jsonl when training ends.
    """

    trainer = GroupClippingTrainer

    @classmethod
    def get_parser(cls) -> argparse.ArgumentParser:
        """ESPnet's parser, which knows the plug-in's encoders and models."""
        register()
        parser = super().get_parser()
        parser.set_defaults(model="speechmoe")
        return parser

    @classmethod
    def get_default_config(cls) -> dict[str, Any]:
        """ESPnet's `--print_config`, with the routing options of a SpeechMoE encoder."""
        config: dict[str, Any] = super().get_default_config()
        if issubclass(encoder_choices.get_class(config["encoder"]), AbsSpeechMoEEncoder):
            conf = with_nested_routing(config["encoder_conf"])
            config["encoder_conf"] = {
                **conf,
                "moe_conf": {**asdict(MoEOptions()), **(conf["moe_conf"] or {})},
            }
        return config

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> ESPnetASRModel:
        """Build the model of a configuration.

        A model without a decoder is trained by CTC alone: its `ctc_weight` defaults to 1.0.

        Raises:
            ValueError: Where there is no such encoder, it does not know a key of encoder_conf, or
                a SpeechMoE encoder is given a model without its losses: the embedding network
                would get no gradient.
        """
        register()
        encoder_class = _encoder_class(args)
        _refuse_unknown_keys(args)
        check_normalization(vars(args))
        _refuse_too_large(args, encoder_class)
        if args.decoder is None:
            args.model_conf.setdefault("ctc_weight", 1.0)
        if (
            encoder_class is not None
            and issubclass(encoder_class, AbsSpeechMoEEncoder)
            and args.model != "speechmoe"
        ):
            raise ValueError(
                f"model: {args.model} does not train the embedding network and routers of "
                f"encoder: {args.encoder}; use model: speechmoe (the default)"
            )
        return super().build_model(args)

    @classmethod
    def build_optimizers(
        cls, args: argparse.Namespace, model: torch.nn.Module
    ) -> list[torch.optim.Optimizer]:
        """Build ESPnet's optimizer, with rates of their own for routers and experts."""
        if not isinstance(model, SpeechMoEASRModel):
            return super().build_optimizers(args, model)
        if model.clip_by_group and args.sharded_ddp:
            raise ValueError("model_conf: clip_by_group cannot be combined with sharded_ddp")
        scales = model.router_lr_scale, model.expert_lr_scale
        if scales == (1.0, 1.0):
            optimizers = super().build_optimizers(args, model)
        else:
            optimizers = [optimizer_with_scales(args, model, *scales)]
        if model.clip_by_group:
            for optimizer in optimizers:
                clip_before_step(optimizer, model, args.grad_clip, args.grad_clip_type)
        return optimizers

    @classmethod
    def main_worker(cls, args: argparse.Namespace) -> None:
        """Train (or collect statistics) in this process."""
        register()
        training = not (args.collect_stats or args.dry_run)
        first = not args.distributed or args.dist_rank in (None, 0)
        output_dir = Path(args.output_dir)
        if not args.dry_run:
            check_sets(args, with_shapes=training, quiet=not first)
        if training:
            _refuse_unknown_keys(args)
            check_sources(args)
            check_lengths(args, lambda: cls.build_preprocess_fn(args, train=False))
            if first and args.resume:
                repair_after_kill(output_dir)
                forget_averages(output_dir)
        with training_patches(), init_param_loader(load_init_param):
            super().main_worker(args)
        if training and first:
            write_train_stats(output_dir, args.accum_grad)


def _encoder_class(args: argparse.Namespace) -> type | None:
    """Return the encoder's class; ESPnet's own error would end a command with a traceback."""
    known = sorted(encoder_choices.classes)
    if args.encoder is not None and args.encoder.lower() not in known:
        close = get_close_matches(args.encoder, known, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ValueError(f"encoder: {args.encoder} is unknown; {hint}allowed: {', '.join(known)}")
    found: type | None = encoder_choices.get_class(args.encoder)
    return found


def _refuse_too_large(args: argparse.Namespace, encoder_class: type | None) -> None:
    """Raise ValueError where the parameters of an encoder of ours take more than all memory."""
    if encoder_class is None or not issubclass(encoder_class, AbsSpeechMoEEncoder):
        return
    make: Any = encoder_class
    with torch.device("meta"):
        encoder = make(args.input_size or DEFAULT_BINS, **with_nested_routing(args.encoder_conf))
    needed = sum(value.numel() * value.element_size() for value in encoder.state_dict().values())
    if needed > total_bytes():
        raise ValueError(
            f"encoder_conf: the parameters take {needed / 2**30:.0f} GiB, but this machine has "
            f"{total_bytes() / 2**30:.0f} GiB of memory; lower output_size, linear_units, "
            "num_blocks or num_experts"
        )


def _refuse_unknown_keys(args: argparse.Namespace) -> None:
    """Raise ValueError where the encoder does not know a key of encoder_conf."""
    encoder_class = _encoder_class(args)
    if encoder_class is None:
        return
    parameters = dict(inspect.signature(encoder_class).parameters)
    parameters.pop("input_size", None)
    others = [name for name, p in parameters.items() if p.kind is inspect.Parameter.VAR_KEYWORD]
    routing: Sequence[str] = ()
    if issubclass(encoder_class, AbsSpeechMoEEncoder):
        routing = MOE_KEYS
    elif others:
        return
    named = [name for name in parameters if name not in others]
    unknown = sorted(set(args.encoder_conf) - {*named, *routing})
    if unknown:
        more = f"; moe_conf takes {', '.join(routing)}" if routing else ""
        raise ValueError(
            f"encoder_conf: unknown key {unknown[0]!r}; encoder: {args.encoder} takes "
            f"{', '.join(named)}{more}"
        )
