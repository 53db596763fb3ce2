"""Reader of the weights that `tune` chose on a development set."""

from collections.abc import Sequence
from pathlib import Path

from speechmoe_espnet.data.json_files import number, read_object

TUNING_FILE = "tuning.json"
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
    found = read_object(path, ())
    weights = {}
    for name in names:
        try:
            weights[name] = number(found, name, path)
        except ValueError as error:
            raise ValueError(f"{error}; tune again{_hint(name)}") from None
    return weights


def _hint(name: str) -> str:
    return ", rescored lists with --nn_lm_weights" if name == "nn_lm_weight" else ""
