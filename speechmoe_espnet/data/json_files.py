"""Reader of the JSON files of experiments; errors name the file."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from speechmoe_espnet.data.text_file import read_text


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


def parse_object(text: str, keys: Sequence[str], place: str) -> dict[str, Any]:
    """Parse a JSON object and check its keys.

    Args:
        text: JSON text.
        keys: Required keys.
        place: Name of the source in messages.

    Raises:
        ValueError: The text is not a JSON object or lacks a key.
    """
    try:
        fields = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{place}: not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise ValueError(f"{place}: expected an object, got {type(fields).__name__}")
    if missing := [key for key in keys if key not in fields]:
        raise ValueError(f"{place}: lacks {', '.join(missing)}")
    return fields
