"""A packed model on disk: what it holds, and the checks before anything of it is loaded.

The layout is that of ESPnet's zips and of its models on the Hugging Face Hub: `meta.yaml` and the
model card at the top, configuration, checkpoint and statistics in `exp`. Names are relative to the
top. With a decoding graph (`graph`) the model writes words.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Self

from speechmoe_espnet.data.checksums import file_sha256
from speechmoe_espnet.data.yaml_file import read_mapping
from speechmoe_espnet.espnet.experiment_config import CONFIG_FILE, file_entries

META, CARD, EXP, GRAPH = "meta.yaml", "README.md", "exp", "graph"
CONFIG_KEY, CHECKPOINT_KEY = "asr_train_config", "asr_model_file"
SEARCH_KEYS = ("graph_dir", "decode_config", "tuning")


@dataclass(frozen=True)
class PackedModel:
    """Files of a packed model.

    Attributes:
        folder: Its folder.
        config: ESPnet's configuration.
        checkpoint: Parameters.
        search: Files of its search by argument of Speech2Text: graph_dir, decode_config, tuning.
    """

    folder: Path
    config: Path
    checkpoint: Path
    search: Mapping[str, Path]

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Find the files of a packed model, and check them.

        Raises:
            ValueError: The folder is not a packed ASR model, a name leads out of it, or a file is
                missing or was changed.
        """
        folder = Path(folder)
        meta = _read_mapping(folder / META)
        config = _named(folder, meta, "yaml_files", CONFIG_KEY)
        checkpoint = _named(folder, meta, "files", CHECKPOINT_KEY)
        search = meta.get("search") or {}
        if not isinstance(search, dict) or set(search) - set(SEARCH_KEYS):
            raise ValueError(f"{folder / META}: search takes {', '.join(SEARCH_KEYS)}")
        check_digests(folder, meta)
        _check_references(folder, config)
        return cls(
            folder,
            config,
            checkpoint,
            {key: _existing(folder, name) for key, name in search.items()},
        )

    def arguments(self) -> dict[str, Path]:
        """Return the arguments of Speech2Text."""
        return {CONFIG_KEY: self.config, CHECKPOINT_KEY: self.checkpoint, **self.search}


def check_digests(folder: Path, meta: Mapping[str, Any]) -> None:
    """Check that the files of a packed model are what was packed.

    Args:
        folder: The unpacked model.
        meta: Its meta.yaml.

    Raises:
        ValueError: A file is missing or was changed, or the digests are none.
    """
    digests = meta.get("sha256") or {}
    if not isinstance(digests, dict):
        raise ValueError(f"{folder / META}: sha256 must be digests by name of file")
    for name, digest in digests.items():
        if file_sha256(_existing(folder, name)) != digest:
            raise ValueError(f"{folder / name}: damaged or changed since it was packed")


def is_packed(folder: Path) -> bool:
    """Whether a folder says that it is a packed model."""
    return (folder / META).is_file()


def is_experiment(folder: Path) -> bool:
    """Whether a folder is an experiment as a training leaves it, not packed."""
    return (folder / CONFIG_FILE).is_file() and not is_packed(folder)


def inner_path(name: object) -> PurePosixPath:
    """Return a name from an archive or a meta.yaml as a path that cannot leave its folder.

    Raises:
        ValueError: It is absolute, has a `..`, or is no portable name.
    """
    if not isinstance(name, str) or not name or any(char in name for char in "\\:\0\n"):
        raise ValueError(f"{name!r} is no name of a file")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError(f"{name!r} leads out of its folder")
    return path


def _read_mapping(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(f"{path.parent}: not a packed model: it has no {path.name}")
    return read_mapping(path)


def _named(folder: Path, meta: Mapping[str, Any], section: str, key: str) -> Path:
    names = meta.get(section)
    if not isinstance(names, dict) or key not in names:
        raise ValueError(f"{folder / META}: not a packed ASR model: {section} has no {key}")
    return _existing(folder, names[key])


def _existing(folder: Path, name: object) -> Path:
    try:
        path = folder / inner_path(name)
    except ValueError as error:
        raise ValueError(f"{folder / META}: {error}") from None
    if not path.exists():
        raise ValueError(f"{folder}: lacks {name}, which its {META} names")
    return path


def _check_references(folder: Path, config: Path) -> None:
    """Refuse a configuration that names a file outside of the folder, or one that is missing."""
    top = Path(os.path.abspath(folder))
    place = Path(os.path.abspath(config)).parent
    conf = _read_mapping(config)
    # ESPnet opens a text as a file of units, wherever it leads.
    if not isinstance(conf.get("token_list"), list):
        raise ValueError(
            f"{config}: token_list must be a list of units, got {conf.get('token_list')!r:.60}; "
            "a training writes the list into its config.yaml"
        )
    for section, key in file_entries(conf):
        name = section[key]
        # Whoever unpacks by ESPnet's tools has absolute paths in the configuration.
        inside = Path(os.path.abspath(top / name))
        if not inside.is_relative_to(top):
            raise ValueError(f"{config}: {key}: {name} leads out of {folder}")
        above = [part for part in (place, *place.parents) if part.is_relative_to(top)]
        if not any((part / name).is_file() for part in above):
            raise ValueError(f"{folder}: lacks {name}, which {config.name} names as {key}")
