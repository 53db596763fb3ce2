"""A packed model made from an experiment.

The configuration takes waveforms: a model that was trained on extracted features gets the frontend
`kaldi_fbank` in front, with the options of its features.
"""

import copy
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from speechmoe_espnet.data.checksums import file_sha256
from speechmoe_espnet.data.fbank_config import FRONTEND, FbankConfig
from speechmoe_espnet.decode.tuning_file import TUNING_FILE
from speechmoe_espnet.espnet.experiment_config import (
    CONFIG_FILE,
    FBANK_FILE,
    feature_options,
    file_entries,
    load_config,
)
from speechmoe_espnet.system.provenance import versions
from speechmoe_espnet.zoo.packed_model import (
    CHECKPOINT_KEY,
    CONFIG_KEY,
    EXP,
    GRAPH,
    META,
    SEARCH_KEYS,
)

# Files and folders of the machine that trained: a packed model needs none of them.
_LOCAL_LISTS = (
    *("train_data_path_and_name_and_type", "valid_data_path_and_name_and_type"),
    *("train_shape_file", "valid_shape_file", "init_param"),
)
_LOCAL_NAMES = ("config", "output_dir", "rir_scp", "noise_scp")


@dataclass(frozen=True)
class Source:
    """What is packed.

    Attributes:
        experiment: Folder with config.yaml.
        model_file: Name of the checkpoint in it.
        fbank_config: YAML of its features; None: fbank.yaml of the experiment.
        search: Files of its search by argument of Speech2Text: graph_dir, decode_config, tuning.
    """

    experiment: Path
    model_file: str
    fbank_config: Path | None = None
    search: Mapping[str, Path] = field(default_factory=dict)

    def config(self) -> dict[str, Any]:
        """Read the configuration.

        Raises:
            FileNotFoundError: There is none.
            ValueError: It is no configuration of a training.
        """
        return load_config(self.experiment / CONFIG_FILE)


def pack(source: Source, folder: Path) -> None:
    """Write a packed model, without its card.

    Args:
        source: The experiment.
        folder: Folder to write, made if needed.

    Raises:
        FileNotFoundError: A file of the experiment or of its search does not exist.
        ValueError: The options of the features are not known or not those of the model.
    """
    conf = source.config()
    packed = for_waveforms(conf, source)
    exp = folder / EXP
    exp.mkdir(parents=True)
    checkpoint = f"{EXP}/{source.model_file}"
    shutil.copyfile(source.experiment / source.model_file, folder / checkpoint)
    # `load_config` has found the files; in the packed model they lie beside the configuration.
    for section, key in file_entries(packed):
        name = Path(section[key]).name
        shutil.copyfile(section[key], exp / name)
        section[key] = f"{EXP}/{name}"
    search = _copy_search(source, folder)
    config = f"{EXP}/{CONFIG_FILE}"
    write_yaml(folder / config, packed)
    meta = {
        "files": {CHECKPOINT_KEY: checkpoint},
        "yaml_files": {CONFIG_KEY: config},
        **versions(),
        "sha256": digests_of(folder),
        **({"search": search} if search else {}),
    }
    write_yaml(folder / META, meta)


def for_waveforms(conf: Mapping[str, Any], source: Source) -> dict[str, Any]:
    """Return a configuration of a model that takes waveforms, without places of this machine.

    Args:
        conf: Configuration of an experiment.
        source: Where the options of its features stand.

    Raises:
        ValueError: They are not known, or not those of the model.
    """
    packed = without_local_names(conf)
    size = packed.get("input_size")
    if size is None:
        if source.fbank_config is not None:
            raise ValueError(
                f"--fbank_config {source.fbank_config}: the model has a frontend of its own, "
                f"{packed.get('frontend')}; leave the option out"
            )
        return packed
    place = source.fbank_config or source.experiment / FBANK_FILE
    if source.fbank_config is not None:
        fbank: FbankConfig | None = FbankConfig.from_yaml(source.fbank_config)
    else:
        fbank = feature_options(packed, source.experiment)
    if fbank is None:
        raise ValueError(
            f"no {place}, so nothing says how the features of the model are computed; name their "
            f"options by --fbank_config (the YAML of extract_features)"
        )
    if fbank.feature_size != size:
        raise ValueError(
            f"{place}: {fbank.feature_size} values per frame, the model takes {size}; give the "
            f"options that it was trained with by --fbank_config"
        )
    return packed | {
        "input_size": None,
        "frontend": FRONTEND,
        "frontend_conf": fbank.frontend_conf(),
    }


def without_local_names(conf: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a configuration without places of the machine that trained."""
    copied: dict[str, Any] = copy.deepcopy(dict(conf))
    copied |= {name: [] for name in _LOCAL_LISTS if copied.get(name)}
    return copied | {name: None for name in _LOCAL_NAMES if copied.get(name)}


def _copy_search(source: Source, folder: Path) -> dict[str, str]:
    """Copy graph, decode YAML and weights; return their names by argument of Speech2Text."""
    if not source.search:
        return {}
    graph = source.search.get(SEARCH_KEYS[0])
    if graph is None:
        raise ValueError("--decode_config and --tuning are for a graph; give it by --graph_dir")
    if not graph.is_dir():
        raise FileNotFoundError(f"--graph_dir: no folder {graph}")
    (folder / GRAPH).mkdir()
    for path in sorted(graph.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            shutil.copyfile(path, folder / GRAPH / path.name)
    names = {SEARCH_KEYS[0]: GRAPH}
    for key, name in zip(SEARCH_KEYS[1:], ("decode.yaml", TUNING_FILE), strict=True):
        if key in source.search:
            shutil.copyfile(source.search[key], folder / GRAPH / name)
            names[key] = f"{GRAPH}/{name}"
    return names


def digests_of(folder: Path) -> dict[str, str]:
    """Return the digest of each file in `exp` and `graph` by its name.

    Those of YAML files are left out: ESPnet's unpacking writes them anew.
    """
    paths = [*folder.glob(f"{EXP}/*"), *folder.glob(f"{GRAPH}/*")]
    return {
        path.relative_to(folder).as_posix(): file_sha256(path)
        for path in sorted(paths)
        if path.is_file() and path.suffix != ".yaml"
    }


def write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    """Write a mapping."""
    path.write_text(
        yaml.safe_dump(dict(content), allow_unicode=True, sort_keys=False), encoding="utf-8"
    )
