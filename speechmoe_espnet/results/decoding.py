"""Search and weights of a decoding, shown with every error rate.

`decode.json` contains every option of a configuration, including options that its method does not
use, and `rescoring.json` may replace weights. This module finds the effective values, for the
command line, the table, `results.json` and the page.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from speechmoe_espnet.data.json_files import number, read_object, shown
from speechmoe_espnet.decode.config import CTC_PREFIX_BEAM, WFST

DECODE_FILE, RESCORING_FILE = "decode.json", "rescoring.json"
WEIGHTS = ("lm_weight", "insertion_bonus")


@dataclass(frozen=True)
class Decoding:
    """Search and weights of a decoding.

    Attributes:
        method: Name of the search, e.g. `wfst`.
        lm_weight: Weight of the search's language model; None without one.
        insertion_bonus: Bonus for each unit; None without a language model.
        origin: Origin of these two: `tuned on dev`, `as configured`, which of them was tuned, or
            `of rescoring` if rescoring replaced them without recording the origin; None without a
            language model.
        nn_lm_weight: Weight of the neural language model in rescoring; None without rescoring.
    """

    method: str
    lm_weight: float | None = None
    insertion_bonus: float | None = None
    origin: str | None = None
    nn_lm_weight: float | None = None

    @classmethod
    def load(cls, directory: str | Path) -> Self | None:
        """Read the records of decoding and, if present, of rescoring.

        Args:
            directory: Output directory of the decoding, with one directory per set.

        Returns:
            The decoding; None if there is no `decode.json`, as in older decodings.

        Raises:
            ValueError: A file has the wrong contents; the message names it.
        """
        directory = Path(directory)
        path, rescoring_path = directory / DECODE_FILE, directory / RESCORING_FILE
        if not path.is_file():
            return None
        fields = read_object(path, ("method",))
        method = fields["method"]
        if not isinstance(method, str) or not method:
            raise ValueError(f"{path}: method must be a name, got {shown(method)}")
        weights: dict[str, float | None] = dict.fromkeys(WEIGHTS)
        origin = None
        if method == WFST or (method == CTC_PREFIX_BEAM and fields.get("use_ngram")):
            weights = {name: number(fields, name, path) for name in WEIGHTS}
            origin = _origin(fields, path)
        if not rescoring_path.is_file():
            return cls(method, **weights, origin=origin)
        rescoring = read_object(rescoring_path, ("nn_lm_weight",))
        if rescoring.get("lm_weight") is not None:
            weights = {"lm_weight": number(rescoring, "lm_weight", rescoring_path)}
            bonus = rescoring.get("insertion_bonus")
            weights["insertion_bonus"] = (
                0.0 if bonus is None else number(rescoring, "insertion_bonus", rescoring_path)
            )
            origin = _origin(rescoring, rescoring_path) if "tuned" in rescoring else "of rescoring"
        nn_lm_weight = number(rescoring, "nn_lm_weight", rescoring_path)
        return cls(method, **weights, origin=origin, nn_lm_weight=nn_lm_weight)

    def describe(self) -> str:
        """Describe it in one line: `wfst, lm_weight 0.8 and insertion_bonus 0.5 (tuned on dev)`."""
        words = self.method
        if self.lm_weight is None:
            words += ", without language model"
        else:
            words += f", lm_weight {self.lm_weight:g} and insertion_bonus {self.insertion_bonus:g}"
            words += f" ({self.origin})"
        if self.nn_lm_weight is not None:
            words += (
                f", rescored by a neural language model with nn_lm_weight {self.nn_lm_weight:g}"
            )
        return words

    def to_dict(self) -> dict[str, str | float | None]:
        """Return the decoding in the format of `results.json`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Make a decoding from the result of `to_dict`."""
        return cls(**fields)


def decoding_rows(decodings: Mapping[str, Decoding | None]) -> dict[str, list[str]]:
    """Arrange decodings as rows of a table.

    Args:
        decodings: Decoding by system, None if unknown.

    Returns:
        Cells by row, one per system in the given order; `-` is an empty cell. Rows without any
        value are left out.
    """
    columns = [_column(item) for item in decodings.values()]
    rows = {name: [column[name] for column in columns] for name in _column(None)}
    return {name: cells for name, cells in rows.items() if any(cell != "-" for cell in cells)}


def _column(decoding: Decoding | None) -> dict[str, str]:
    item = decoding or Decoding("-")
    return {
        "method": item.method,
        "lm_weight": _cell(item.lm_weight),
        "insertion_bonus": _cell(item.insertion_bonus),
        "these weights": item.origin or "-",
        "nn_lm_weight (rescoring)": _cell(item.nn_lm_weight),
    }


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _origin(fields: Mapping[str, Any], path: Path) -> str:
    tuned = fields.get("tuned") or {}
    if not isinstance(tuned, dict):
        raise ValueError(f"{path}: tuned must be an object of weights by name, got {shown(tuned)}")
    names = [name for name in WEIGHTS if name in tuned]
    if len(names) == len(WEIGHTS):
        return "tuned on dev"
    return f"{names[0]} tuned on dev" if names else "as configured"
