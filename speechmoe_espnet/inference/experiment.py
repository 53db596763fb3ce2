"""Loader of trained models: configuration and parameters of an experiment.

ESPnet takes seconds to import, so it is imported only when a model is built; a mistake in an option
is reported before.
"""

from pathlib import Path
from typing import Any

from speechmoe_espnet.decode.config import DecodeConfig
from speechmoe_espnet.espnet.experiment_config import load_config, portable_config
from speechmoe_espnet.espnet.known_noise import without_known_noise
from speechmoe_espnet.inference.recognizer import Recognizer, make_recognizer


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
    with without_known_noise(), portable_config(conf) as config:
        from espnet2.tasks.asr import ASRTask

        model, _ = ASRTask.build_model_from_file(config, model_file, device)
    return model


def load_recognizer(
    model_dir: Path,
    model_file: str,
    config: DecodeConfig,
    *,
    device: str = "cpu",
    graph_dir: Path | None = None,
    ngram: Path | None = None,
) -> Recognizer:
    """Load the model of an experiment, with a search.

    Args:
        model_dir: Experiment directory.
        model_file: Name of a checkpoint in it.
        config: Decode configuration.
        device: "cpu", "cuda" or "cuda:N".
        graph_dir: Decoding graph, for method wfst.
        ngram: ARPA file over tokens, for ctc_prefix_beam with `use_ngram`.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: The model cannot be loaded, has no CTC head, or does not fit the search.
    """
    model_config = read_experiment(model_dir, model_file)
    model = load_model(model_config, model_dir / model_file, device)
    if model.ctc is None:
        raise ValueError(
            f"{model_dir}: the model has no CTC head (ctc_weight 0), which these searches need; "
            f"decode it with `python -m speechmoe_espnet.bin.asr_inference`"
        )
    return make_recognizer(
        model, model_config, config, device=device, graph_dir=graph_dir, ngram=ngram
    )
