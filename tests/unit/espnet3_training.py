"""A training configuration of ESPnet3 for a tiny model, and what ESPnet3 makes of it."""

from typing import Any

from models import ENCODER, TOKENS
from omegaconf import DictConfig, OmegaConf

TASK = "speechmoe_espnet.task.SpeechMoEASRTask"


def configuration(
    model_conf: dict[str, Any] | None = None, model: dict[str, Any] | None = None, **more: Any
) -> DictConfig:
    """A configuration as ESPnet3 has it after merging its defaults.

    Args:
        model_conf: Options of the model beside ctc_weight.
        model: Options of the task, which replace those of a tiny CTC model on features.
        more: Keys beside `model`.
    """
    options = {
        "encoder": "speechmoe",
        "encoder_conf": ENCODER["speechmoe"],
        "input_size": 40,
        "normalize": None,
        "token_list": TOKENS,
        "model_conf": {"ctc_weight": 1.0, **(model_conf or {})},
    }
    config = {
        "task": TASK,
        "num_device": 1,
        "model": options | (model or {}),
        "dataset": {"_target_": "espnet3.components.data.data_organizer.DataOrganizer"},
        "dataloader": {"train": {"iter_factory": None}, "valid": {"iter_factory": None}},
        "optimizer": {"_target_": "torch.optim.SGD", "lr": 0.1},
        "scheduler": {
            "_target_": "espnet2.schedulers.warmup_lr.WarmupLR",
            "warmup_steps": 10,
        },
        "trainer": {"accelerator": "cpu", "log_every_n_steps": 1, "logger": False},
    }
    return OmegaConf.create(config | more)


def lightning_module(*args: Any, **kwargs: Any) -> Any:
    """The Lightning module that ESPnet3's training builds of a configuration."""
    from espnet3.systems.base import training

    config = configuration(*args, **kwargs)
    # ESPnet3's own steps, in its order: building the model plugs in.
    model = training._instantiate_model(config)
    return training.ESPnetLightningModule(model, config)
