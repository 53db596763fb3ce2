"""Kaldi's text tables (lines `id value`); errors name file and line."""

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from speechmoe_espnet.data.text_file import decode_text, read_bytes, split_lines

_BLANKS = " \t\r"
_BLANK = re.compile(f"[{_BLANKS}]+")
_NUM_SHOWN = 5
_LONGEST_NAME, _LONGEST_PATH = 255, 4096


def read_table(path: str | Path, *, allow_empty: bool = False) -> dict[str, str]:
    """Read a table.

    Lines need not be sorted. The id ends at the first space or tab; blanks around the value are
    removed.

    Args:
        path: File to read, see `text_file.read_text`.
        allow_empty: Whether a line may consist of an id alone (an empty hypothesis).

    Returns:
        Value by id, in the order of the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line is empty, not UTF-8, repeats an id or lacks its value; the message
            starts with `file:line` and names the id.
    """
    path = Path(path)
    return _parse(path, decode_text(read_bytes(path), path, named=True), allow_empty)


def read_scp(path: str | Path, *, allow_empty: bool = False) -> dict[str, str]:
    """Read a table of files, such as `wav.scp` or `feats.scp`.

    Ids are read as `read_table` reads them; locations stay as they are, because a file system
    tells é in one character from é in two. Kaldi runs a location that is a command; here it is an
    error, because a data directory of somebody else would run their code.

    Args:
        path: File to read.
        allow_empty: Whether the table may have no lines.

    Returns:
        Location by id, in the order of the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: As `read_table`; a location is a command or the standard input.
    """
    path = Path(path)
    table = _parse(
        path, decode_text(read_bytes(path), path, nfc=False, named=True), allow_empty=False
    )
    if not table and not allow_empty:
        raise ValueError(f"{path}: no utterances")
    found: dict[str, str] = {}
    for name, location in table.items():
        try:
            check_location(location)
        except ValueError as error:
            raise ValueError(f"{path}: {name}: {error}") from None
        composed = unicodedata.normalize("NFC", name)
        if composed in found:
            raise ValueError(f"{path}: duplicate id {composed}")
        found[composed] = location
    return found


def check_location(location: str) -> None:
    """Check that a location of a table is a file, not a command (a pipe) or standard input.

    Raises:
        ValueError: It is not, or no file system has so long a name or one with a NUL byte.
    """
    names = [len(os.fsencode(name)) for name in location.split("/")]
    if max(names) > _LONGEST_NAME or sum(names) > _LONGEST_PATH or "\0" in location:
        raise ValueError(f"is no name of a file: {location[:60]!r}; the table is damaged")
    if "|" in location or location.strip() == "-":
        raise ValueError(
            f"pipes are not supported, got {location!r}; write the command's output to a file and "
            f"give its path"
        )


def _parse(path: Path, text: str, allow_empty: bool) -> dict[str, str]:
    table: dict[str, str] = {}
    numbers: dict[str, int] = {}
    for number, raw in enumerate(split_lines(text), start=1):
        line = raw.strip(_BLANKS)
        if not line:
            raise ValueError(f"{path}:{number}: empty line; each line is an id and its value")
        name, *rest = _BLANK.split(line, maxsplit=1)
        value = rest[0] if rest else ""
        if not _is_id(name):
            raise ValueError(f"{path}:{number}: id {name!r} must not hold white space")
        if name in table:
            raise ValueError(
                f"{path}:{number}: duplicate id {name} (first on line {numbers[name]})"
            )
        if not value and not allow_empty:
            raise ValueError(f"{path}:{number}: {name}: no value after the id")
        table[name] = value
        numbers[name] = number
    return table


def write_table(path: str | Path, table: Mapping[str, str]) -> None:
    """Write a table sorted by id; `read_table` returns the same table.

    Args:
        path: File to write.
        table: Value by id; an empty value is written as the id alone.

    Raises:
        ValueError: An id or value cannot be written on one line of UTF-8; the message names the id.
    """
    content = bytearray()
    for name in sorted(table):
        value = table[name]
        if not _is_id(name):
            raise ValueError(f"{path}: id {name!r} must not be empty or hold white space")
        if "\n" in value or "\r" in value or value != value.strip(_BLANKS):
            raise ValueError(
                f"{path}: {name}: value must be one line without blanks around it, got {value!r}"
            )
        line = f"{name} {value}\n" if value else f"{name}\n"
        try:
            content += line.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(f"{path}: {name!r}: cannot be written as UTF-8: {error}") from None
    Path(path).write_bytes(content)


def join_error(path: str | Path, problem: str, names: Iterable[str]) -> ValueError:
    """Make the error for ids that do not join.

    Args:
        path: File with the error.
        problem: Problem with the ids, e.g. "lacks utterances that text has".
        names: The ids; up to five are shown.
    """
    names = sorted(names)
    shown = ", ".join(names[:_NUM_SHOWN])
    more = f", ... ({len(names)} in all)" if len(names) > _NUM_SHOWN else ""
    return ValueError(f"{path}: {problem} {shown}{more}")


def _is_id(name: str) -> bool:
    return name.split() == [name] and not name.startswith("\ufeff")
