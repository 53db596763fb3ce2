"""config.yaml of an experiment, valid from any working directory.

ESPnet's config.yaml names files (feature statistics, a SentencePiece model) as they were given to
the training, which for a recipe is relative to the recipe's folder.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import humanfriendly
import yaml

from speechmoe_espnet.data.checksums import check_as_made
from speechmoe_espnet.data.stats_file import check_stats
from speechmoe_espnet.data.text_file import read_text

DEFAULT_MODEL_FILE = "valid.loss.ave.pth"
"""Checkpoint that ESPnet averages over the epochs of lowest loss on the development set."""

DEFAULT_SAMPLE_RATE = 16000


def load_config(config_file: str | Path) -> dict[str, Any]:
    """Read a config.yaml, with the paths of files in it made valid for the working directory.

    A relative path that does not exist from here is looked for from the folders above the
    configuration, nearest first.

    Args:
        config_file: config.yaml of an experiment.

    Raises:
        FileNotFoundError: There is no such configuration.
        ValueError: The file is not a configuration, or it or the statistics it names are damaged.
    """
    config_file = Path(config_file)
    check_as_made(config_file)
    conf = yaml.safe_load(read_text(config_file, nfc=False))
    if not isinstance(conf, dict):
        raise ValueError(f"{config_file}: expected ESPnet's training configuration")
    for section, key in ((conf, "bpemodel"), (conf.get("normalize_conf") or {}, "stats_file")):
        if section.get(key):
            section[key] = str(_find(section[key], config_file))
    check_normalization(conf)
    return conf


def check_normalization(conf: Mapping[str, Any]) -> None:
    """Check the statistics that a model normalises features with.

    Raises:
        FileNotFoundError: There is no file of statistics.
        ValueError: It is damaged, or not of the model's features.
    """
    stats_file = (conf.get("normalize_conf") or {}).get("stats_file")
    if conf.get("normalize") == "global_mvn" and stats_file:
        check_stats(Path(stats_file), conf.get("input_size"))


def _find(name: str, config_file: Path) -> Path:
    path = Path(name)
    if path.is_absolute() or path.exists():
        return path
    for folder in config_file.resolve().parents:
        if (folder / path).exists():
            return folder / path
    return path


@contextmanager
def portable_config(conf: dict[str, Any]) -> Iterator[Path]:
    """Yield a file with a configuration of `load_config`, for ESPnet to load from here."""
    with NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        yaml.safe_dump(conf, file, allow_unicode=True, sort_keys=False)
        file.flush()
        yield Path(file.name)


def sample_rate(conf: dict[str, Any]) -> int:
    """Sample rate in Hz that a model's frontend expects (ESPnet writes 16000, "16000" or "16k")."""
    rate = (conf.get("frontend_conf") or {}).get("fs", DEFAULT_SAMPLE_RATE)
    return rate if isinstance(rate, int) else int(humanfriendly.parse_size(str(rate)))
