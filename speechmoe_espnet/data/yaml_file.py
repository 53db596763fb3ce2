"""The reader of every YAML file; an error is one line that names file and place."""

from pathlib import Path
from typing import Any

import yaml

from speechmoe_espnet.data.text_file import decode_text, read_bytes

_SHOWN = 200


def read_yaml(path: str | Path) -> Any:
    """Read a YAML file of plain values.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not UTF-8 or not YAML; the message names the file and, where it is known,
            the line.
    """
    path = Path(path)
    text = decode_text(read_bytes(path), path, nfc=False)
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"{path}{line}: not YAML: {_one_line(error.problem)}") from None
    except RecursionError:
        raise ValueError(f"{path}: not YAML of a configuration: nested too deeply") from None
    except Exception as error:
        # PyYAML passes on what makes of a word the value that its tag asks for: errors of int,
        # float and date, of a missing key or of an empty text.
        raise ValueError(f"{path}: not YAML: {type(error).__name__}: {_one_line(error)}") from None


def read_mapping(path: str | Path, *, allow_empty: bool = False) -> dict[str, Any]:
    """Read a YAML file of `key: value` lines.

    Args:
        path: The file.
        allow_empty: Whether it may hold nothing.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: As `read_yaml`, or it holds something else, or a key is no text.
    """
    values = read_yaml(path)
    if values is None and allow_empty:
        return {}
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected `key: value` lines, got {_one_line(repr(values))}")
    for key in values:
        if not isinstance(key, str):
            raise ValueError(f"{path}: keys must be text, got {_one_line(repr(key))}")
    return values


def _one_line(words: object) -> str:
    return " ".join(str(words).split())[:_SHOWN]
