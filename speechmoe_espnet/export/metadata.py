"""Metadata of an exported file, with all that decoding needs."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np

from speechmoe_espnet import __version__
from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.json_files import parse_json
from speechmoe_espnet.export.seal import UNSEALED

FORMAT = "speechmoe_espnet.ctc/1"


@dataclass(frozen=True)
class Metadata:
    """The `metadata_props` of an exported file, each as JSON.

    Attributes:
        units: Unit of each output, blank first.
        token_type: char, word (units joined by a space) or bpe.
        fbank: Options of the features, as in fbank.yaml; None where the experiment has none.
        num_features: F, features a frame.
        sample_rate: Hz.
        subsampling: Input frames per output frame.
        least_frames: Input frames of the shortest utterance the graph takes.
        precision: float32 or int8.
        opset: ONNX opset.
        stats_sha256: Digest of the normalisation's mean and standard deviation, which are in the
            graph; "" without normalisation.
        config_sha256: Digest of the experiment's config.yaml.
        model_sha256: Digest of the model file.
        versions: speechmoe_espnet, torch and onnx.
        content_sha256: Digest of the file itself, see `seal`.
        format: Version of these keys.
    """

    units: tuple[str, ...]
    token_type: str
    fbank: Mapping[str, Any] | None
    num_features: int
    sample_rate: int
    subsampling: int
    least_frames: int
    precision: str
    opset: int
    stats_sha256: str
    config_sha256: str
    model_sha256: str
    versions: Mapping[str, str]
    content_sha256: str = UNSEALED
    format: str = FORMAT

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ValueError(f"format: {self.format!r} is not {FORMAT!r}; export the model again")
        if self.fbank is not None and FbankConfig(**self.fbank).feature_size != self.num_features:
            raise ValueError(
                f"fbank: gives {FbankConfig(**self.fbank).feature_size} features a frame, the "
                f"model takes {self.num_features}"
            )

    def to_props(self) -> dict[str, str]:
        """Return what goes into the file."""
        return {key: json.dumps(value, ensure_ascii=False) for key, value in asdict(self).items()}

    @classmethod
    def from_props(cls, props: Mapping[str, str], source: str | Path) -> Self:
        """Read what `to_props` returned.

        Args:
            props: The file's metadata; other keys are ignored.
            source: The file, for messages.

        Raises:
            ValueError: A key is missing or has an unknown meaning.
        """
        names = [field.name for field in fields(cls)]
        if missing := [name for name in names if name not in props]:
            raise ValueError(
                f"{source}: lacks the metadata {', '.join(missing)}; expected a file written by "
                f"`python -m speechmoe_espnet.bin.export`"
            )
        try:
            values = {name: parse_json(props[name], name) for name in names}
            return cls(**{**values, "units": tuple(values["units"])})
        except (json.JSONDecodeError, TypeError, ValueError) as error:
            raise ValueError(f"{source}: {error}") from None


def stats_sha256(normalize: Any) -> str:
    """Digest of the float32 mean and standard deviation; "" without normalisation."""
    if normalize is None:
        return ""
    digest = hashlib.sha256()
    for values in (normalize.mean, normalize.std):
        digest.update(values.numpy().astype(np.float32).tobytes())
    return digest.hexdigest()


def tool_versions() -> dict[str, str]:
    """Versions of what wrote a file."""
    return {
        "speechmoe_espnet": __version__,
        **{package: version(package) for package in ("torch", "onnx")},
    }
