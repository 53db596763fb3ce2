"""Files and settings of a model that transcribes: by its path or name, for every way to load it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.decode.config import WFST, DecodeConfig
from speechmoe_espnet.decode.tuning_file import read_tuning
from speechmoe_espnet.espnet.experiment_config import (
    CONFIG_FILE,
    DEFAULT_MODEL_FILE,
    feature_options,
)
from speechmoe_espnet.zoo.find_model import find_model
from speechmoe_espnet.zoo.packed_model import CHECKPOINT_KEY, CONFIG_KEY, is_experiment


def model_files(tag: str | Path) -> dict[str, Path]:
    """Find a packed model, or an experiment.

    Args:
        tag: Path of a folder or a zip, name of a model that ships with this package, or
            OWNER/NAME[@REVISION] of the Hugging Face Hub.

    Returns:
        Arguments of `Speech2Text`: asr_train_config, asr_model_file, and of a model with a graph
        graph_dir, decode_config, tuning.

    Raises:
        FileNotFoundError: There is no such path or name.
        ValueError: It is no packed model, is damaged, or cannot be fetched from the Hub.
    """
    if is_experiment(Path(tag)):
        return experiment_files(tag)
    return find_model(tag).arguments()


def experiment_files(
    directory: str | Path, model_file: str = DEFAULT_MODEL_FILE
) -> dict[str, Path]:
    """Return configuration and checkpoint of an experiment as `model_files` does.

    Raises:
        FileNotFoundError: One of the two files is missing.
    """
    files = {
        CONFIG_KEY: Path(directory) / CONFIG_FILE,
        CHECKPOINT_KEY: Path(directory) / model_file,
    }
    for path in files.values():
        if not path.exists():
            raise FileNotFoundError(
                f"{path}: no such file; train the model first (run.sh --stage 5)"
            )
    return files


def model_features(
    conf: Mapping[str, Any], config_file: Path, fbank_config: str | Path | None = None
) -> FbankConfig:
    """Return the features of a model.

    Args:
        conf: Its configuration.
        config_file: The file, for messages, and beside it `fbank.yaml`.
        fbank_config: YAML of the features that wins over these.

    Raises:
        ValueError: They are of another size than the model's input.
    """
    if fbank_config is not None:
        fbank = FbankConfig.from_yaml(fbank_config)
    else:
        fbank = feature_options(conf, config_file.parent) or FbankConfig()
    if conf.get("input_size") not in (None, fbank.feature_size):
        raise ValueError(
            f"{config_file}: the model takes {conf['input_size']} features per frame, the "
            f"features have {fbank.feature_size}; give fbank_config= the YAML of stage 2"
        )
    return fbank


def word_search(
    graph_dir: str | Path | None,
    decode_config: str | Path | None = None,
    tuning: str | Path | None = None,
) -> DecodeConfig | None:
    """Return the search through a decoding graph, None without one.

    Args:
        graph_dir: The graph.
        decode_config: Decode YAML of method wfst; default: the default options of wfst.
        tuning: tuning.json, whose weights replace those of `decode_config`.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is not valid, or names a search for which there is no graph.
    """
    if graph_dir is None:
        if decode_config is not None or tuning is not None:
            raise ValueError("decode_config and tuning need graph_dir=, the decoding graph")
        return None
    weights = {} if tuning is None else read_tuning(tuning)
    if decode_config is None:
        return DecodeConfig.from_mapping({"method": WFST, **weights})
    return DecodeConfig.from_yaml(decode_config, weights)
