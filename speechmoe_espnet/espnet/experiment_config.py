"""config.yaml of an experiment, valid from any working directory.

ESPnet's config.yaml names files (feature statistics, a SentencePiece model) as they were given to
the training, which for a recipe is relative to the recipe's folder. Our trainings copy these files
into the experiment, so that it loads wherever it is moved or copied.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import humanfriendly
import yaml

from speechmoe_espnet.data.checksums import check_as_made
from speechmoe_espnet.data.fbank_config import FRONTEND, FbankConfig
from speechmoe_espnet.data.stats_file import check_stats
from speechmoe_espnet.data.yaml_file import read_mapping

DEFAULT_MODEL_FILE = "valid.loss.ave.pth"
"""Checkpoint that ESPnet averages over the epochs of lowest loss on the development set."""

DEFAULT_SAMPLE_RATE = 16000

CONFIG_FILE, FBANK_FILE = "config.yaml", "fbank.yaml"

FILE_KEYS = (
    ("normalize_conf", "stats_file"),
    (None, "bpemodel"),
    (None, "non_linguistic_symbols"),
)
"""Files that a model needs, as section (None: the top level) and key of its config.yaml."""


def load_config(config_file: str | Path) -> dict[str, Any]:
    """Read a config.yaml, with the paths of files in it made valid for the working directory.

    A file of the same name beside the configuration comes first. Otherwise a relative path is
    looked for from the folders above the configuration, nearest first, and from here.

    Args:
        config_file: config.yaml of an experiment.

    Raises:
        FileNotFoundError: There is no such configuration.
        ValueError: The file is not a configuration, or it or the statistics it names are damaged.
    """
    config_file = Path(config_file)
    check_as_made(config_file)
    conf = read_mapping(config_file)
    for section, key in file_entries(conf):
        section[key] = str(_find(section[key], config_file))
    try:
        check_normalization(conf)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{config_file}: {error}") from None
    except ValueError as error:
        raise ValueError(f"{config_file}: {error}") from None
    return conf


def check_normalization(conf: Mapping[str, Any]) -> None:
    """Check the statistics that a model normalises features with.

    Raises:
        FileNotFoundError: There is no file of statistics.
        ValueError: It is damaged, or not of the model's features.
    """
    for key in ("normalize_conf", "frontend_conf"):
        if not isinstance(conf.get(key) or {}, dict):
            raise ValueError(f"{key} must be a mapping, got {type(conf[key]).__name__}")
    stats_file = (conf.get("normalize_conf") or {}).get("stats_file")
    if conf.get("normalize") == "global_mvn" and stats_file:
        size = conf.get("input_size")
        if size is None and conf.get("frontend") == FRONTEND:
            fbank = FbankConfig.from_frontend_conf(conf.get("frontend_conf") or {})
            size = fbank.feature_size
        check_stats(Path(stats_file), size)


def file_entries(conf: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the places in a configuration that name a file: the section and the key."""
    for name, key in FILE_KEYS:
        section = conf if name is None else conf.get(name)
        if isinstance(section, dict) and isinstance(section.get(key), str) and section[key]:
            yield section, key


def _find(name: str, config_file: Path) -> Path:
    path = Path(name)
    folder = config_file.resolve().parent
    if (folder / path.name).is_file():
        return folder / path.name
    if not path.is_absolute():
        for above in (folder, *folder.parents):
            if (above / path).exists():
                return above / path
    return path


@contextmanager
def portable_config(conf: dict[str, Any]) -> Iterator[Path]:
    """Yield a file with a configuration of `load_config`, for ESPnet to load from here."""
    with NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        yaml.safe_dump(conf, file, allow_unicode=True, sort_keys=False)
        file.flush()
        yield Path(file.name)


def feature_options(conf: Mapping[str, Any], folder: str | Path) -> FbankConfig | None:
    """Return the options of a model's features.

    Args:
        conf: Configuration of the model.
        folder: Its experiment.

    Returns:
        Those of `frontend: kaldi_fbank`; for a model of extracted features those of fbank.yaml
        in the experiment; None where there is neither.

    Raises:
        ValueError: An option is not allowed, or fbank.yaml was changed.
    """
    if conf.get("input_size") is None:
        if conf.get("frontend") != FRONTEND:
            return None
        return FbankConfig.from_frontend_conf(conf.get("frontend_conf") or {})
    path = Path(folder) / FBANK_FILE
    if not path.is_file():
        return None
    check_as_made(path)
    return FbankConfig.from_yaml(path)


def sample_rate(conf: Mapping[str, Any]) -> int:
    """Sample rate in Hz that a model's frontend expects (ESPnet writes 16000, "16000" or "16k")."""
    options = conf.get("frontend_conf") or {}
    if conf.get("frontend") == FRONTEND:
        return FbankConfig.from_frontend_conf(options).sample_frequency
    rate = options.get("fs", DEFAULT_SAMPLE_RATE)
    return rate if isinstance(rate, int) else int(humanfriendly.parse_size(str(rate)))
