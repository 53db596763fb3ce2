"""Loader of trained models: configuration and parameters of an experiment.

ESPnet takes seconds to import, so it is imported only when a model is built; a mistake in an option
is reported before.
"""

from pathlib import Path
from typing import Any

from speechmoe_espnet.espnet.experiment_config import load_config, portable_config


def read_experiment(model_dir: Path, model_file: str) -> dict[str, Any]:
    """Read the configuration of an experiment whose model can be loaded.

    Args:
        model_dir: Experiment directory with config.yaml and checkpoints.
        model_file: Name of a checkpoint in it.

    Raises:
        FileNotFoundError: Configuration or checkpoint is missing; the message lists the existing
            checkpoints.
        ValueError: config.yaml was not written by ESPnet.
    """
    path = model_dir / "config.yaml"
    if not path.is_file():
        raise FileNotFoundError(
            f"no file {path}, so no model configuration; --model_dir must be the output of a "
            f"training (stage 5 of a recipe)"
        )
    if not (model_dir / model_file).is_file():
        found = ", ".join(sorted(p.name for p in model_dir.glob("*.pth"))) or "none"
        raise FileNotFoundError(
            f"no file {model_dir / model_file}; finish the training, or name one of those "
            f"in {model_dir} by --model_file: {found}"
        )
    config = load_config(path)
    check_config(config, path)
    return config


def check_config(conf: dict[str, Any], path: str | Path) -> None:
    """Check that a configuration is that of a trained model.

    Args:
        conf: From `load_config`.
        path: Its file, for the message.

    Raises:
        ValueError: It lacks what ESPnet writes.
    """
    if missing := [key for key in ("token_type", "token_list", "input_size") if key not in conf]:
        raise ValueError(
            f"{path}: lacks {', '.join(missing)}; expected the config.yaml that ESPnet writes"
        )


def load_model(conf: dict[str, Any], model_file: str | Path, device: str = "cpu") -> Any:
    """Build the model of an experiment and load all its parameters.

    Args:
        conf: Configuration of the experiment, from `load_config`.
        model_file: Checkpoint with the parameters.
        device: "cpu", "cuda" or "cuda:N".

    Returns:
        The model (an ESPnetASRModel).

    Raises:
        ValueError: The file is damaged, or its tensors are not those of the model.
    """
    from espnet2.tasks.asr import ASRTask

    with portable_config(conf) as config:
        model, _ = ASRTask.build_model_from_file(config, model_file, device)
    return model
