"""Reader of the JSON files of experiments; errors name the file."""

import contextlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from speechmoe_espnet.data.text_file import read_text


def read_json_file(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not UTF-8 or not JSON.
    """
    return parse_json(read_text(path, nfc=False), str(path))


def read_object(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    """Read a JSON object and check its keys.

    Args:
        path: File to read.
        keys: Required keys.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not UTF-8, is not a JSON object or lacks a key.
    """
    return parse_object(read_text(path, nfc=False), keys, str(path))


def parse_object(
    text: str, keys: Sequence[str], place: str, *, finite: bool = True
) -> dict[str, Any]:
    """Parse a JSON object and check its keys.

    Args:
        text: JSON text.
        keys: Required keys.
        place: Name of the source in messages.
        finite: As in `parse_json`.

    Raises:
        ValueError: The text is not a JSON object or lacks a key.
    """
    fields = parse_json(text, place, finite=finite)
    if not isinstance(fields, dict):
        raise ValueError(f"{place}: expected an object, got {type(fields).__name__}")
    if missing := [key for key in keys if key not in fields]:
        raise ValueError(f"{place}: lacks {', '.join(missing)}")
    return fields


def parse_json(text: str, place: str, *, finite: bool = True) -> Any:
    """Parse JSON as its standard has it: numbers are finite.

    Python writes `NaN` and reads it, and reads 1e400 as infinity; other programs refuse the first,
    and a comparison with either of them is no result.

    Args:
        text: JSON text.
        place: Name of the source in messages.
        finite: False allows such numbers.

    Raises:
        ValueError: The text is not JSON, has a number that is not finite, or is nested too deeply.
    """
    try:
        if not finite:
            return json.loads(text)
        return json.loads(text, parse_constant=_not_finite, parse_float=_finite)
    except RecursionError:
        raise ValueError(f"{place}: not JSON of a result: nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits is one that json passes on
        raise ValueError(f"{place}: not JSON: {error}") from None


def _not_finite(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits} is too large for a number")
    return number


def number(fields: Mapping[str, Any], key: str, place: str | Path) -> float:
    """Return a finite number of an object.

    Raises:
        ValueError: It is missing or something else.
    """
    value = fields.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # whole numbers know no bound
            if math.isfinite(found := float(value)):
                return found
    raise ValueError(f"{place}: {key} must be a finite number, got {shown(value)}")


def whole_number(fields: Mapping[str, Any], key: str, place: str | Path) -> int:
    """Return a whole number of an object, at least 0 and below 2^63.

    Raises:
        ValueError: It is missing or something else.
    """
    value = fields.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise ValueError(f"{place}: {key} must be a whole number, got {shown(value)}")
    return value


def shown(value: object) -> str:
    """Return a value as text for a message; what is long is cut."""
    try:
        words = repr(value)
    except RecursionError:
        words = type(value).__name__
    return words if len(words) <= 60 else words[:57] + "..."
