"""A trained model as an experiment of a recipe: the opposite of packing.

A packed model takes waveforms, a recipe trains and decodes on features. So the options of a model's
features come to lie beside its configuration again, and its tokens and statistics in files that
stages name. A training that starts from the model, and decodings of it as it is, then need nothing
else.
"""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from speechmoe_espnet.data.checksums import file_sha256
from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.stats_file import FEATS_STATS
from speechmoe_espnet.data.tokens import TokenList
from speechmoe_espnet.data.unit_dir import BPE_MODEL
from speechmoe_espnet.decode.config import WFST, DecodeConfig
from speechmoe_espnet.decode.tuning_file import TUNING_FILE
from speechmoe_espnet.espnet.experiment_config import (
    CONFIG_FILE,
    DEFAULT_MODEL_FILE,
    FBANK_FILE,
    feature_options,
    file_entries,
    load_config,
)
from speechmoe_espnet.results.trained_system import EPOCHS_FILE, ORIGIN
from speechmoe_espnet.zoo.find_model import find_model
from speechmoe_espnet.zoo.packed_model import GRAPH, SEARCH_KEYS, is_experiment
from speechmoe_espnet.zoo.packing import without_local_names, write_yaml

TOKENS_FILE = "tokens.txt"
DECODE_FILE = "decode_of_model.yaml"
_GRAPH_KEY, _CONFIG_KEY, _TUNING_KEY = SEARCH_KEYS
TOKEN_TYPES = {"char": "char", "bpe": "bpe", "word": "syllable_phone"}
"""ESPnet's kinds of tokens, and the recipes' names for them."""
_NAMES_OF_FILES = {"stats_file": FEATS_STATS, "bpemodel": BPE_MODEL}


@dataclass(frozen=True)
class TrainedModel:
    """A model that recipes can decode with and start a training from.

    Attributes:
        name: Its name, which may be one of a directory.
        config_file: Its configuration.
        checkpoint: Its parameters.
        conf: What the configuration says.
        fbank: Options of its features.
        search: Files of its search, as in a packed model: graph_dir, decode_config, tuning.
    """

    name: str
    config_file: Path
    checkpoint: Path
    conf: Mapping[str, Any]
    fbank: FbankConfig
    search: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def find(cls, model: str | Path) -> Self:
        """Find a model.

        Args:
            model: An experiment directory, or what `find_model` takes.

        Raises:
            FileNotFoundError: There is no such model, or the experiment has no averaged checkpoint.
            ValueError: It is damaged, or no recipe has its features or tokens.
        """
        folder = Path(model).expanduser()
        search: Mapping[str, Path] = {}
        if is_experiment(folder):
            config_file, checkpoint = folder / CONFIG_FILE, folder / DEFAULT_MODEL_FILE
            if not checkpoint.is_file():
                raise FileNotFoundError(f"{model}: has no {checkpoint.name}; finish its training")
        else:
            packed = find_model(model)
            config_file, checkpoint, search = packed.config, packed.checkpoint, packed.search
        conf = load_config(config_file)
        fbank = feature_options(conf, config_file.parent)
        if fbank is None:
            raise ValueError(
                f"{model}: nothing says how its features are computed: it has neither {FBANK_FILE} "
                f"nor frontend kaldi_fbank"
            )
        if conf.get("token_type") not in TOKEN_TYPES:
            raise ValueError(
                f"{model}: token_type must be one of {', '.join(TOKEN_TYPES)}, got "
                f"{conf.get('token_type')!r}"
            )
        name = re.sub(r"[^A-Za-z0-9_.+-]+", "_", folder.name.removesuffix(".zip")).lstrip("_.+-")
        return cls(name or "model", config_file, checkpoint, conf, fbank, search)

    @property
    def decoding(self) -> DecodeConfig | None:
        """The search through its graph; None where it has no graph.

        Raises:
            ValueError: Its configuration is not one of a search.
        """
        if _GRAPH_KEY not in self.search:
            return None
        path = self.search.get(_CONFIG_KEY)
        return DecodeConfig.from_yaml(path) if path else DecodeConfig.from_mapping({"method": WFST})

    @property
    def tokens(self) -> TokenList:
        """Its tokens.

        Raises:
            ValueError: They are not in ESPnet's order.
        """
        try:
            return TokenList(tuple(map(str, self.conf.get("token_list") or ())))
        except ValueError as error:
            raise ValueError(f"{self.config_file}: {error}") from None

    @property
    def token_type(self) -> str:
        """Kind of its tokens, by the recipes' name."""
        return TOKEN_TYPES[self.conf["token_type"]]

    def unpack(self, folder: Path) -> None:
        """Write an experiment: configuration, checkpoint, features, statistics and tokens.

        Args:
            folder: Folder to write, made if needed.
        """
        folder.mkdir(parents=True, exist_ok=True)
        conf = without_local_names(self.conf)
        conf |= {"input_size": self.fbank.feature_size, "frontend": None, "frontend_conf": {}}
        for section, key in file_entries(conf):
            name = _NAMES_OF_FILES.get(key, Path(section[key]).name)
            shutil.copyfile(section[key], folder / name)
            section[key] = name
        fbank = {name: value for name, value in asdict(self.fbank).items() if value is not None}
        write_yaml(folder / CONFIG_FILE, conf)
        write_yaml(folder / FBANK_FILE, fbank)
        self.tokens.write(folder / TOKENS_FILE)
        shutil.copyfile(self.checkpoint, folder / DEFAULT_MODEL_FILE)
        self._unpack_search(folder / GRAPH)
        epochs = self.checkpoint.parent / EPOCHS_FILE
        if epochs.is_file():
            shutil.copyfile(epochs, folder / EPOCHS_FILE)
        origin = {"model": self.name, "sha256": file_sha256(self.checkpoint)}
        (folder / ORIGIN).write_text(json.dumps(origin) + "\n", encoding="utf-8")

    def _unpack_search(self, folder: Path) -> None:
        """Write the graph, and beside it how it is searched."""
        if _GRAPH_KEY not in self.search:
            return
        folder.mkdir()
        settings = [self.search[key] for key in (_CONFIG_KEY, _TUNING_KEY) if key in self.search]
        for path in sorted(self.search[_GRAPH_KEY].iterdir()):
            if path.is_file() and not any(path.samefile(other) for other in settings):
                shutil.copyfile(path, folder / path.name)
        if _CONFIG_KEY in self.search:
            shutil.copyfile(self.search[_CONFIG_KEY], folder / DECODE_FILE)
        else:
            (folder / DECODE_FILE).write_text(f"method: {WFST}\n", encoding="utf-8")
        if _TUNING_KEY in self.search:
            shutil.copyfile(self.search[_TUNING_KEY], folder / TUNING_FILE)
