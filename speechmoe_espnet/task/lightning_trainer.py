"""ESPnet3's trainer, with what ESPnet2's `main_worker` and our task do around a training."""

import argparse
import logging
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml
from espnet3.components.callbacks.default_callbacks import AverageCheckpointsCallback
from espnet3.components.trainers.trainer import ESPnet3LightningTrainer
from lightning.pytorch.plugins import TorchCheckpointIO
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy

from speechmoe_espnet.augment import FeatureVariation
from speechmoe_espnet.data.tokens import TokenList
from speechmoe_espnet.data.yaml_file import read_mapping
from speechmoe_espnet.encoder.base import AbsSpeechMoEEncoder
from speechmoe_espnet.espnet.data_files import utterances
from speechmoe_espnet.espnet.experiment_config import CONFIG_FILE
from speechmoe_espnet.espnet.length_check import (
    check_shape_files,
    first_dimensions,
    num_repeats,
)
from speechmoe_espnet.espnet.model import SpeechMoEASRModel
from speechmoe_espnet.espnet.patches import atomic_torch_save
from speechmoe_espnet.espnet.self_contained import take_files_in
from speechmoe_espnet.espnet.upcycling import load_init_param
from speechmoe_espnet.pipeline.atomic_file import write_text_atomically
from speechmoe_espnet.task.lightning_module import SpeechMoELightningModule

_LOOKED_AT = 20
"""Items of a set whose labels are compared with the statistics; each is a recording to read."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoints, moved into place in one step.

    Defect: Lightning writes to the system's temporary folder and moves the file; from another file
    system that is a copy, which a kill leaves half. Version: lightning 2.6, fsspec 2026.9.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint; a URL is left to Lightning."""
        if "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with atomic_torch_save():
            torch.save(checkpoint, path)


class SpeechMoELightningTrainer(ESPnet3LightningTrainer):
    """ESPnet3's trainer; what it adds it does for models of ours alone."""

    def fit(self, *args: Any, **kwargs: Any) -> None:
        """Train: check lengths, load `init_param`, then ESPnet3's training; average at the end.

        Raises:
            ValueError: Utterances are too short for CTC, a file of `init_param` does not fit, or
                `clip_by_group` meets a strategy that shards gradients.
        """
        module = self.model
        model = module.model
        if not isinstance(model, SpeechMoEASRModel):
            super().fit(*args, **kwargs)
            return
        strategy = self.trainer.strategy
        if model.clip_by_group and not isinstance(strategy, SingleDeviceStrategy | DDPStrategy):
            raise ValueError(
                f"model_conf: clip_by_group cannot be combined with {type(strategy).__name__}, "
                "which shards gradients; use trainer: strategy: auto or ddp"
            )
        if type(strategy.checkpoint_io) is TorchCheckpointIO:
            strategy.checkpoint_io = AtomicCheckpointIO()
        _check_lengths(module, model)
        options = module.config.model
        for spec in options.get("init_param") or ():
            logging.info(f"init_param: {spec}")
            load_init_param(spec, model, bool(options.get("ignore_init_mismatch", False)))
        if module.config.get("exp_dir"):
            _take_files_in(Path(module.config.exp_dir))
        with atomic_torch_save():
            super().fit(*args, **kwargs)
            self._average_checkpoints()

    def _average_checkpoints(self) -> None:
        """Average the best checkpoints once more, with that of the last epoch.

        Defect: ESPnet3 averages before Lightning saves the checkpoint of the same validation, so
        that averages lack the last epoch, and a training of one epoch has none. Version: espnet
        202611, lightning 2.6.
        """
        for callback in self.trainer.callbacks:
            if isinstance(callback, AverageCheckpointsCallback):
                callback.on_validation_end(self.trainer, self.model)


def _take_files_in(experiment: Path) -> None:
    """Make an experiment hold what its model needs: feature statistics, bpe.model, the tokens."""
    path = experiment / CONFIG_FILE
    if not path.is_file():
        return
    conf = read_mapping(path)
    args = argparse.Namespace(**conf)
    take_files_in(args, experiment)
    if isinstance(args.token_list, str):
        args.token_list = list(TokenList.load(args.token_list).tokens)
    text = yaml.safe_dump(vars(args), allow_unicode=True, sort_keys=False)
    write_text_atomically(path, text)


def _check_lengths(module: SpeechMoELightningModule, model: SpeechMoEASRModel) -> None:
    """Refuse sets that changed since `collect_stats`, or have utterances that are too short."""
    if not isinstance(model.encoder, AbsSpeechMoEEncoder):
        return
    variation = model.specaug if isinstance(model.specaug, FeatureVariation) else None
    folder = module.config.get("stats_dir")
    for part, dataset in (("train", module.train_dataset), ("valid", module.valid_dataset)):
        files = [Path(folder or "", part, f"{name}_shape") for name in ("feats", "text")]
        if not (folder and model.extract_feats_in_collect_stats and all(map(Path.exists, files))):
            logging.warning(
                f"lengths of {part} are not checked: no {files[0]} and {files[1].name}; "
                "run the stage collect_stats"
            )
            continue
        _check_set(part, dataset, *files)
        check_shape_files(
            model.encoder,
            str(files[0]),
            str(files[1]),
            partial(_repeats, dataset),
            variation=variation if part == "train" else None,
            name=_utterance_name(dataset),
        )


def _check_set(part: str, dataset: Any, feats: Path, text: Path) -> None:
    """Compare the statistics with the set: its size, its ids, and the labels of some items."""
    cure = f"remove {feats.parent.parent} and run the stage collect_stats"
    counted = utterances(feats)
    if len(counted) != len(dataset):
        raise ValueError(
            f"{feats}: {len(counted)} utterances, but the set {part} has {len(dataset)}, and "
            f"ESPnet3 would use those alone; {cure}"
        )
    lengths = first_dimensions(str(text))
    if differing := counted ^ lengths.keys():
        raise ValueError(
            f"{text}: {len(lengths)} utterances, {feats.name} has {len(counted)}: "
            f"{len(differing)} are in one of both alone, such as {min(differing)}; {cure}"
        )
    keys = sorted(key for key in counted if key.isdecimal() and int(key) < len(dataset))
    for key in keys[:: max(1, len(keys) // _LOOKED_AT)]:
        labels = len(_item(dataset, key)["text"])
        if labels != lengths[key]:
            raise ValueError(
                f"{text}: {_utterance_name(dataset)(key)}: {lengths[key]} labels, but in the set "
                f"{part} it has {labels} now; {cure}"
            )


def _item(combined: Any, key: str) -> Any:
    # ESPnet3 makes a pair (key, item) once a collate function of ESPnet was seen.
    item = combined[int(key)]
    return item[1] if isinstance(item, tuple) else item


def _repeats(combined: Any, keys: Iterable[str]) -> dict[str, int]:
    """Count the labels that equal the one before them, for positions in a combined dataset."""
    return {key: num_repeats(_item(combined, key)["text"]) for key in keys}


def _utterance_name(combined: Any) -> Callable[[str], str]:
    """Make utterance ids of ESPnet3's keys, which are positions in the combined dataset."""
    sets = combined.datasets
    if not all(hasattr(dataset, "utterances") for dataset in sets):
        return lambda key: f"item {key}"
    names = [name for dataset in sets for name in dataset.utterances]
    return lambda key: names[int(key)] if key.isdecimal() and int(key) < len(names) else key
