"""Reader of the weights that `tune` chose on a development set."""

import json
from collections.abc import Sequence
from pathlib import Path

from speechmoe_espnet.data.text_file import read_text

DECODING = ("lm_weight", "insertion_bonus")


def read_tuning(path: str | Path, names: Sequence[str] = DECODING) -> dict[str, float]:
    """Read weights.

    Args:
        path: A `tuning.json`.
        names: Weights that it must contain.

    Returns:
        Weight by name.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not JSON, or lacks a weight.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}; `tune` writes it (a stage of the recipes)")
    try:
        found = json.loads(read_text(path, nfc=False))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from None
    weights = {}
    for name in names:
        value = found.get(name) if isinstance(found, dict) else None
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValueError(
                f"{path}: {name} must be a number, got {value!r}; tune again{_hint(name)}"
            )
        weights[name] = float(value)
    return weights


def _hint(name: str) -> str:
    return ", rescored lists with --nn_lm_weights" if name == "nn_lm_weight" else ""
