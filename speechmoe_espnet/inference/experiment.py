"""Loader of trained models: configuration and parameters of an experiment."""

from pathlib import Path
from typing import Any

from espnet2.tasks.asr import ASRTask

from speechmoe_espnet.espnet.experiment_config import portable_config
from speechmoe_espnet.espnet.registry import register


def load_model(conf: dict[str, Any], model_file: str | Path, device: str = "cpu") -> Any:
    """Build the model of an experiment and load its parameters.

    Args:
        conf: Configuration of the experiment, from `load_config`.
        model_file: Checkpoint with the parameters.
        device: "cpu", "cuda" or "cuda:N".

    Returns:
        The model (an ESPnetASRModel).
    """
    register()
    with portable_config(conf) as config:
        model, _ = ASRTask.build_model_from_file(config, model_file, device)
    return model
