"""Checks of a training configuration of ESPnet3: what would be ignored is refused.

ESPnet3 takes any key. ESPnet2's options for its own trainer, an option in the wrong place and a
misspelt one would be silently without effect.
"""

import argparse
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from omegaconf import DictConfig
from torch import nn

from speechmoe_espnet.encoder.base import AbsSpeechMoEEncoder
from speechmoe_espnet.espnet.model import SpeechMoEASRModel
from speechmoe_espnet.task.espnet3_task import SpeechMoEASRTask

# What ESPnet3 has in place of an option of ESPnet2's trainer.
_COUNTERPARTS = {
    "optim": "optimizer: _target_",
    "optim_conf": "optimizer",
    "scheduler": "scheduler: _target_, beside model",
    "scheduler_conf": "scheduler, beside model",
    "max_epoch": "trainer: max_epochs",
    "num_iters_per_epoch": "trainer: limit_train_batches",
    "grad_clip": "trainer: gradient_clip_val",
    "accum_grad": "trainer: accumulate_grad_batches",
    "use_amp": "trainer: precision",
    "patience": "trainer: callbacks with lightning.pytorch.callbacks.EarlyStopping",
    "log_interval": "trainer: log_every_n_steps",
    "use_tensorboard": "trainer: logger",
    "use_wandb": "trainer: logger",
    "sharded_ddp": "trainer: strategy",
    "use_deepspeed": "trainer: strategy",
    "ngpu": "num_device",
    "seed": "seed, beside model",
    "resume": "fit: ckpt_path",
    "best_model_criterion": "best_model_criterion, beside model",
    "keep_nbest_models": "best_model_criterion, beside model",
    "batch_type": "dataloader: train: iter_factory: batches",
    "batch_size": "dataloader: train: iter_factory: batches",
    "batch_bins": "dataloader: train: iter_factory: batches",
}
# Beside `model`, these are taken for mistakes; other names may be a user's own variables.
_NEVER_BESIDE_MODEL = (
    *("optim", "optim_conf", "scheduler_conf", "grad_clip", "accum_grad", "max_epoch"),
    *("num_iters_per_epoch", "use_amp", "keep_nbest_models", "sharded_ddp", "use_deepspeed"),
)
_READ_HERE = {"init_param", "ignore_init_mismatch", "freeze_param"}
# ESPnet3's own recipes give it; the token list says it.
_HARMLESS = {"vocab_size"}


def check_training(model: nn.Module, config: DictConfig) -> None:
    """Refuse a configuration that a training of a SpeechMoE model would not follow.

    Args:
        model: The model; nothing is checked for models of others.
        config: Training configuration of ESPnet3.

    Raises:
        ValueError: Naming the key, what was got and what to write instead.
    """
    if not isinstance(model, SpeechMoEASRModel):
        if isinstance(getattr(model, "encoder", None), AbsSpeechMoEEncoder):
            raise ValueError(
                f"model: {type(model).__name__} does not train the embedding network and routers "
                f"of {type(model.encoder).__name__}; set model: model: speechmoe, or "
                "task: speechmoe_espnet.task.SpeechMoEASRTask"
            )
        return
    _check_model_keys(config.model)
    _check_outer_keys(config)
    if config.get("optimizers") is not None:
        raise ValueError(
            "optimizers: SpeechMoE has one loss and takes one optimizer; write optimizer and "
            "scheduler, and model_conf: router_lr_scale or expert_lr_scale for rates of their own"
        )
    if model.clip_by_group:
        _check_clipping(config.trainer)


def _check_model_keys(options: DictConfig) -> None:
    task, trainer = _espnet2_keys()
    for key in map(str, options):
        if key in trainer - _READ_HERE:
            cure = _COUNTERPARTS.get(key, "its counterpart of docs/howto/espnet3.md, if any")
            raise ValueError(f"model: {key} is for ESPnet2's trainer; ESPnet3 takes {cure}")
        if key not in task | _READ_HERE | _HARMLESS:
            raise ValueError(f"model: {key} is unknown{_suggest(key, task | _READ_HERE)}")


def _check_outer_keys(config: DictConfig) -> None:
    choices = {choices.name for choices in SpeechMoEASRTask.class_choices_list}
    choices -= {"model", "preprocessor"}  # ESPnet3's own, and one that inference reads there
    parts = choices | {f"{name}_conf" for name in choices | {"model", "ctc"}} | {"init"}
    for key in map(str, config):
        if config[key] is None:
            continue
        if key in parts | _READ_HERE:
            raise ValueError(
                f"{key} stands beside model, where ESPnet3 ignores it; write it under model"
            )
        if key in _NEVER_BESIDE_MODEL:
            raise ValueError(f"{key} is for ESPnet2's trainer; ESPnet3 takes {_COUNTERPARTS[key]}")


def _check_clipping(trainer: DictConfig) -> None:
    if not trainer.get("gradient_clip_val"):
        raise ValueError(
            f"model_conf: clip_by_group needs trainer: gradient_clip_val, the limit of each "
            f"group's norm, got {trainer.get('gradient_clip_val')}"
        )
    algorithm = trainer.get("gradient_clip_algorithm")
    if algorithm not in (None, "norm"):
        raise ValueError(
            f"model_conf: clip_by_group needs trainer: gradient_clip_algorithm: norm, "
            f"got {algorithm}"
        )


def _espnet2_keys() -> tuple[set[str], set[str]]:
    """Options of ESPnet2: those of the task, which builds models, and those of the trainer."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.set_defaults(required=[])
    SpeechMoEASRTask.add_task_arguments(parser)
    task = _names(parser)
    return task, _names(SpeechMoEASRTask.get_parser()) - task


def _names(parser: Any) -> set[str]:
    return {action.dest for action in parser._actions}


def _suggest(key: str, known: Iterable[str]) -> str:
    close = get_close_matches(key, sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
