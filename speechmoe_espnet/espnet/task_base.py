"""What SpeechMoE needs of a task of ESPnet: checks, learning rates, clipping, checkpoints."""

import argparse
import inspect
import logging
from collections.abc import Sequence
from dataclasses import asdict
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from espnet2.tasks.abs_task import AbsTask
from espnet2.train.class_choices import ClassChoices
from espnet2.train.trainer import Trainer

from speechmoe_espnet.data.fbank_config import FRONTEND, FbankConfig
from speechmoe_espnet.encoder.base import AbsSpeechMoEEncoder
from speechmoe_espnet.encoder.options import MOE_KEYS, with_nested_routing
from speechmoe_espnet.espnet.auxiliary_losses import AuxiliaryLosses
from speechmoe_espnet.espnet.checkpoints import (
    forget_averages,
    repair_after_kill,
    write_train_stats,
)
from speechmoe_espnet.espnet.clipping import clip_before_step
from speechmoe_espnet.espnet.data_sources import check_sources
from speechmoe_espnet.espnet.experiment_config import (
    CONFIG_FILE,
    check_normalization,
    load_config,
    portable_config,
)
from speechmoe_espnet.espnet.first_process import is_first_process
from speechmoe_espnet.espnet.length_check import check_lengths
from speechmoe_espnet.espnet.option_effects import OF_OPTIMIZER
from speechmoe_espnet.espnet.parameter_groups import optimizer_with_scales
from speechmoe_espnet.espnet.patches import init_param_loader, training_patches
from speechmoe_espnet.espnet.rank_training import RankTrainer, check_divided
from speechmoe_espnet.espnet.self_contained import take_files_in
from speechmoe_espnet.espnet.set_check import check_sets
from speechmoe_espnet.espnet.small_batches import SmallBatchesTold
from speechmoe_espnet.espnet.upcycling import load_init_param
from speechmoe_espnet.moe import MoEOptions
from speechmoe_espnet.system.memory import total_bytes

DEFAULT_BINS = 80
"""Features a frame of ESPnet's default frontend."""


class SpeechMoETask(SmallBatchesTold, AbsTask):
    """A task of ESPnet with the same arguments, extended; ESPnet's comes next in line.

    The model defaults to `speechmoe`. `--init_param` upcycles a dense baseline. Routers and
    experts may have learning rates of their own. Too-short utterances are named before training
    starts. Files that the model needs are copied into the experiment. Checkpoints are written
    atomically, and train_stats.jsonl when training ends.

    The trainer is ESPnet's; in several processes, or with `model_conf: clip_by_group`, one of ours.

    Attributes:
        encoder_table: ESPnet's table of this task's encoders.
        spoken_text: Name of the text that a CTC loss is computed of.
    """

    encoder_table: ClassVar[ClassChoices]
    spoken_text: ClassVar[str] = "text"

    @classmethod
    def register(cls) -> None:
        """Register the plug-in's names in this task's tables."""
        raise NotImplementedError

    @classmethod
    def get_parser(cls) -> argparse.ArgumentParser:
        """ESPnet's parser, which knows the plug-in's encoders and models."""
        cls.register()
        parser: argparse.ArgumentParser = super().get_parser()
        if parser.get_default("model") is not None:
            parser.set_defaults(model="speechmoe")
        return parser

    @classmethod
    def get_default_config(cls) -> dict[str, Any]:
        """ESPnet's `--print_config`, with the options of routing and of our frontend."""
        config: dict[str, Any] = super().get_default_config()
        if _is_speechmoe(cls.encoder_table.get_class(config["encoder"])):
            conf = with_nested_routing(config["encoder_conf"])
            config["encoder_conf"] = {
                **conf,
                "moe_conf": {**asdict(MoEOptions()), **(conf["moe_conf"] or {})},
            }
        if config["frontend"] == FRONTEND:
            fbank = FbankConfig.from_frontend_conf(config["frontend_conf"])
            config["frontend_conf"] = fbank.frontend_conf()
        return config

    @classmethod
    def build_model_from_file(
        cls,
        config_file: str | Path | None = None,
        model_file: str | Path | None = None,
        device: str = "cpu",
    ) -> tuple[Any, argparse.Namespace]:
        """Build a trained model as ESPnet does, from a configuration that has been moved, too."""
        if config_file is None:
            if model_file is None:
                raise ValueError("config_file and model_file are both None; give one of them")
            config_file = Path(model_file).parent / CONFIG_FILE
        with portable_config(load_config(config_file)) as config:
            return super().build_model_from_file(config, model_file, device)

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> Any:
        """Build the model of a configuration.

        A model without a decoder is trained by CTC alone: its `ctc_weight` defaults to 1.0.

        Raises:
            ValueError: Where there is no such encoder, it does not know a key of encoder_conf, or
                a SpeechMoE encoder is given a model without its losses: the embedding network
                would get no gradient.
        """
        cls.register()
        encoder_class = encoder_class_of(cls.encoder_table, args)
        _refuse_unknown_keys(cls.encoder_table, args)
        check_normalization(vars(args))
        _refuse_too_large(args, encoder_class)
        # Translation has neither the option nor other models.
        model = getattr(args, "model", None)
        if model is not None and args.decoder is None:
            args.model_conf.setdefault("ctc_weight", 1.0)
        if _is_speechmoe(encoder_class) and model not in (None, "speechmoe"):
            raise ValueError(
                f"model: {model} does not train the embedding network and routers of "
                f"encoder: {args.encoder}; use model: speechmoe (the default)"
            )
        return super().build_model(args)

    @classmethod
    def build_optimizers(
        cls, args: argparse.Namespace, model: torch.nn.Module
    ) -> list[torch.optim.Optimizer]:
        """Build ESPnet's optimizer, with rates of their own for routers and experts.

        Raises:
            ValueError: Where an option of model_conf would have no effect, or cannot be combined
                with another one.
        """
        _turn_off_curves(args)
        if not isinstance(model, AuxiliaryLosses):
            return super().build_optimizers(args, model)
        model.check_options()
        check_divided(args, model)
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
        model.effects.applied(*OF_OPTIMIZER)
        return optimizers

    @classmethod
    def main_worker(cls, args: argparse.Namespace) -> None:
        """Train (or collect statistics) in this process.

        Raises:
            ValueError: Where the configuration or the data would not train what they say.
        """
        cls.register()
        training = not (args.collect_stats or args.dry_run)
        first = is_first_process(args)
        output_dir = Path(args.output_dir)
        if not args.dry_run:
            check_sets(args, with_shapes=training, quiet=not first)
        if training:
            _refuse_unknown_keys(cls.encoder_table, args)
            _refuse_deepspeed(args)
            check_sources(args)
            check_lengths(
                args,
                lambda: cls.build_preprocess_fn(args, train=False),
                cls.encoder_table,
                cls.spoken_text,
            )
            take_files_in(args, output_dir)
            if first and args.resume:
                repair_after_kill(output_dir)
                forget_averages(output_dir)
        with training_patches(), init_param_loader(load_init_param):
            super(SpeechMoETask, cls._with_trainer_for(args)).main_worker(args)
        if training and first:
            write_train_stats(output_dir, args.accum_grad)

    @classmethod
    def _with_trainer_for(cls, args: argparse.Namespace) -> type[Self]:
        wanted = args.distributed or args.model_conf.get("clip_by_group")
        if not wanted or args.use_deepspeed or cls.trainer is not Trainer:
            return cls
        return type(cls.__name__, (cls,), {"trainer": RankTrainer})


def _is_speechmoe(encoder_class: type | None) -> bool:
    return encoder_class is not None and issubclass(encoder_class, AbsSpeechMoEEncoder)


def _turn_off_curves(args: argparse.Namespace) -> None:
    """Turn off ESPnet's `--use_tensorboard`, on by default, where tensorboard is not installed."""
    if args.use_tensorboard and find_spec("tensorboard") is None:
        args.use_tensorboard = False
        logging.warning(
            "use_tensorboard: tensorboard is not installed, so this training draws no curves "
            "for it; pip install 'speechmoe_espnet[tensorboard]'"
        )


def _refuse_deepspeed(args: argparse.Namespace) -> None:
    """Raise ValueError for options that DeepSpeed, which makes its own optimizer, would ignore."""
    idle = {"router_lr_scale": 1.0, "expert_lr_scale": 1.0, "clip_by_group": False}
    for name, value in idle.items():
        if args.use_deepspeed and args.model_conf.get(name, value) != value:
            raise ValueError(
                f"model_conf: {name} {args.model_conf[name]} would be ignored: --use_deepspeed "
                f"makes an optimizer of its own; set {name} to {str(value).lower()}, or train "
                "without --use_deepspeed"
            )


def encoder_class_of(table: ClassChoices, args: argparse.Namespace) -> type | None:
    """Return the encoder's class; ESPnet's own error would end a command with a traceback."""
    known = sorted(table.classes)
    if args.encoder is not None and args.encoder.lower() not in known:
        close = get_close_matches(args.encoder, known, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ValueError(f"encoder: {args.encoder} is unknown; {hint}allowed: {', '.join(known)}")
    found: type | None = table.get_class(args.encoder)
    return found


def _refuse_too_large(args: argparse.Namespace, encoder_class: type | None) -> None:
    """Raise ValueError where the parameters of an encoder of ours take more than all memory."""
    if encoder_class is None or not _is_speechmoe(encoder_class):
        return
    make: Any = encoder_class
    with torch.device("meta"):
        encoder = make(args.input_size or DEFAULT_BINS, **with_nested_routing(args.encoder_conf))
    held = (*encoder.parameters(), *encoder.buffers())
    needed = sum(value.numel() * value.element_size() for value in held)
    if needed > total_bytes():
        raise ValueError(
            f"encoder_conf: the parameters take {needed / 2**30:.0f} GiB, but this machine has "
            f"{total_bytes() / 2**30:.0f} GiB of memory; lower output_size, linear_units, "
            "num_blocks or num_experts"
        )


def _refuse_unknown_keys(table: ClassChoices, args: argparse.Namespace) -> None:
    """Raise ValueError where the encoder does not know a key of encoder_conf."""
    encoder_class = encoder_class_of(table, args)
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
