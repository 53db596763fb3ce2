"""Patches of ESPnet: every place where this package changes its behaviour, and why.

Each patch is a context manager, lasts as long as one command, and names the defect upstream and
the version that has it. A patch goes when ESPnet no longer needs it.

Two places change single objects, not ESPnet, and stand where those objects are made:
`decode/search/joint.py` turns a BeamSearch into a BatchBeamSearch by its `__class__`, since ESPnet
builds batch searches in this way alone; `export/layers.py` sets `forward` of single modules while
a model is traced, since the replacements are a part of the export.

`known_noise` filters two lines that ESPnet writes, and changes nothing of it.

ESPnet's ASR task and `asr_inference` are imported where they are patched: the plug-in registers
itself, and applies some of these patches, as soon as the task is imported.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import torch
import typeguard
from espnet2.legacy.nets.pytorch_backend import nets_utils
from espnet2.main_funcs import average_nbest_models
from espnet2.tasks import abs_task
from espnet2.torch_utils import load_pretrained_model, safe_torch_load
from espnet2.train import trainer
from espnet2.train.trainer import Trainer
from omniio.tools.kaldi import compression, matio
from torch.distributed.fsdp.sharded_grad_scaler import ShardedGradScaler

from speechmoe_espnet.data.ark import decompressed_matrix
from speechmoe_espnet.data.table import check_location
from speechmoe_espnet.espnet.built_model import BuildModel, built_model
from speechmoe_espnet.espnet.checkpoint_file import read_checkpoint
from speechmoe_espnet.espnet.pad_mask import pad_mask
from speechmoe_espnet.system.cli import with_plain_percents

SPEECH_FEATURES = "CM"


@contextmanager
def atomic_torch_save() -> Iterator[None]:
    """`torch.save` to a path replaces the file in one step.

    Defect: ESPnet writes checkpoints in place (espnet #5407), so that a training killed while it
    saves cannot be resumed. Version: espnet 202611.
    """
    save = torch.save

    def save_atomically(obj: Any, f: Any, *args: Any, **kwargs: Any) -> None:
        if not isinstance(f, str | os.PathLike):
            save(obj, f, *args, **kwargs)
            return
        target = Path(f)
        partial = target.with_name(f"{target.name}.tmp.{os.getpid()}")
        try:
            save(obj, partial, *args, **kwargs)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    with mock.patch.object(torch, "save", save_atomically):
        yield


@contextmanager
def fast_decompression() -> Iterator[None]:
    """ESPnet decompresses features faster, to the same values.

    Defect: omniio decompresses column by column and value by value, 1.5 ms for 3.5 seconds of
    speech, which is a fifth of the time of training a small model. Version: omniio as espnet 202611
    requires it. Worker processes forked meanwhile load in the same way.
    """
    decompress = compression.decompress

    def faster(payload: bytes, token: str, endian: str = "<") -> Any:
        if token == SPEECH_FEATURES and endian == "<":
            return decompressed_matrix(payload)
        return decompress(payload, token, endian)

    with mock.patch.object(compression, "decompress", faster):
        yield


@contextmanager
def unchecked_training() -> Iterator[None]:
    """ESPnet's trainer runs without type checks; what a training is built from is checked.

    Defect: typeguard checks the types of every utterance anew, which takes as long as the rest of
    loading. Version: espnet 202611.
    """
    run = Trainer.run.__func__

    def unchecked(cls: type[Trainer], *args: Any, **kwargs: Any) -> None:
        with typeguard.suppress_type_checks():
            run(cls, *args, **kwargs)

    with mock.patch.object(Trainer, "run", classmethod(unchecked)):
        yield


@contextmanager
def files_alone() -> Iterator[None]:
    """ESPnet's loaders of Kaldi tables open files alone, never a command.

    Defect: omniio runs what stands before a `|` in a table, or in the name of one, so that a data
    directory or a configuration of somebody else runs their code. Version: omniio as espnet 202611
    requires it. Nothing else in ESPnet's loaders runs what it reads: omniio knows no pickled
    matrices, and numpy unpickles arrays only where it is told to.
    """
    open_like_kaldi = matio.open_like_kaldi

    def open_file(name: Any, mode: str = "r") -> Any:
        if isinstance(name, str):
            check_location(name)
        return open_like_kaldi(name, mode)

    with mock.patch.object(matio, "open_like_kaldi", open_file):
        yield


@contextmanager
def training_patches() -> Iterator[None]:
    """Patches of every training: atomic checkpoints, fast loading, no commands in tables."""
    with atomic_torch_save(), fast_decompression(), unchecked_training(), files_alone():
        yield


@contextmanager
def trainer_clips_by(clip: Callable[..., Any]) -> Iterator[None]:
    """ESPnet's trainer clips gradients by another function.

    Defect: ESPnet takes the norm of the gradients that a process has, and skips a step by it.
    Where processes have experts of their own they would scale the same dense parameters
    differently, and some would skip a step that others make. Version: espnet 202611.

    Args:
        clip: Takes the arguments of torch.nn.utils.clip_grad_norm_.
    """
    clip_grad_norm_ = torch.nn.utils.clip_grad_norm_

    def clipped(*args: Any, **kwargs: Any) -> Any:
        # `clip` itself may call torch's.
        with mock.patch.object(torch.nn.utils, "clip_grad_norm_", clip_grad_norm_):
            return clip(*args, **kwargs)

    with mock.patch.object(torch.nn.utils, "clip_grad_norm_", clipped):
        yield


@contextmanager
def trainer_scales_with_all_ranks() -> Iterator[None]:
    """With `--use_amp`, all processes skip a step where the gradients of one overflow.

    Defect: ESPnet's scaler looks at the gradients that a process has, which differ where processes
    have experts of their own. Version: espnet 202611.
    """
    with mock.patch.object(trainer, "GradScaler", ShardedGradScaler):
        yield


@contextmanager
def init_param_loader(load: Callable[..., None]) -> Iterator[None]:
    """`--init_param` loads by another function.

    Defect: ESPnet drops tensors whose shape differs, with a warning at most, and keeps random
    values where the file lacks a tensor; experts would lose a trained function in silence.
    Version: espnet 202611.

    Args:
        load: Takes the arguments of ESPnet's load_pretrained_model.
    """
    with mock.patch.object(abs_task, "load_pretrained_model", load):
        yield


@contextmanager
def inference_help() -> Iterator[None]:
    """`asr_inference --help` prints the help.

    Defect: one of ESPnet's texts has a bare %, which argparse refuses. Version: espnet 202611.
    """
    from espnet2.bin import asr_inference

    espnets_parser = asr_inference.get_parser

    def parser() -> argparse.ArgumentParser:
        return with_plain_percents(espnets_parser())

    with mock.patch.object(asr_inference, "get_parser", parser):
        yield


@contextmanager
def inference_task(task: type) -> Iterator[None]:
    """`asr_inference` builds models by another task.

    Defect: ESPnet takes the paths in config.yaml as they are, so that an experiment loads from the
    folder alone where its training ran. Version: espnet 202611.

    Args:
        task: Takes the place of ASRTask.
    """
    from espnet2.bin import asr_inference

    with mock.patch.object(asr_inference, "ASRTask", task):
        yield


def check_what_is_loaded() -> None:
    """ESPnet reads checkpoints by `checkpoint_file`, for the rest of this process.

    Defect: ESPnet leaves tensors that a file lacks at their random values, torch reads a file whose
    checksums are wrong, and the error of a damaged file advises to load it with code in it.
    Version: espnet 202611. Models, resumed trainings, averages and `--init_param` are read so.
    `built_model` has what takes the place of `build_model_from_file`, and one more defect.
    """
    for module in (safe_torch_load, abs_task, load_pretrained_model, average_nbest_models, trainer):
        module.safe_torch_load = read_checkpoint
    build = abs_task.AbsTask.build_model_from_file.__func__
    if build is not _build_model_from_file:
        _espnets_build.append(build)
        abs_task.AbsTask.build_model_from_file = classmethod(_build_model_from_file)


_espnets_build: list[BuildModel] = []


def _build_model_from_file(
    cls: type[abs_task.AbsTask],
    config_file: str | Path | None = None,
    model_file: str | Path | None = None,
    device: str = "cpu",
) -> tuple[Any, argparse.Namespace]:
    """ESPnet's classmethod of that name; its files are found and checked."""
    return built_model(_espnets_build[0], cls, config_file, model_file, device)


def linear_pad_masks() -> None:
    """ESPnet's padding masks take memory linear in the length, for the rest of this process.

    Defect: ESPnet cuts each mask out of a square of frames x frames, 129 GB for an hour of
    features, in normalisation alone. Version: espnet 202611. The masks are the same.
    """
    nets_utils._make_pad_mask_traceable = pad_mask


@contextmanager
def translation_model(model: type) -> Iterator[None]:
    """ESPnet's STTask builds another model.

    Defect: ESPnet has no table of models for translation. Version: espnet 202611.

    Args:
        model: Takes the place of ESPnetSTModel.
    """
    import espnet2.tasks.st

    with mock.patch.object(espnet2.tasks.st, "ESPnetSTModel", model):
        yield


def replace_task(module: ModuleType, task: type) -> None:
    """Put a task in the place of ESPnet's, for the rest of this process.

    Defect: ESPnet's commands name their task in code, and import no plug-in. Version: espnet
    202611. A module that was imported before keeps the task that it imported.

    Args:
        module: ESPnet's module of the task.
        task: Takes the place of the task of ESPnet that it inherits.
    """
    (name,) = (base.__name__ for base in task.__mro__[1:] if base.__module__ == module.__name__)
    setattr(module, name, task)
