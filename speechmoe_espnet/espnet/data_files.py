"""Files of a training that ESPnet names by utterance: data, shapes, and both cut into splits."""

from collections.abc import Iterator
from pathlib import Path

from speechmoe_espnet.data.placeholder import refuse_placeholder_file
from speechmoe_espnet.data.table import read_table
from speechmoe_espnet.data.text_file import read_text

_DIGITS = 6
# Their lines do not begin with the id of an utterance, each once.
NOT_BY_UTTERANCE = ("hdf5", "rttm")


def entries(path: str | Path) -> dict[str, str]:
    """Read a data or shape file: value by utterance; an empty text is allowed.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line is not valid, or an id is there twice; the message names it.
    """
    found: dict[str, str] = {}
    for part in _parts(Path(path)):
        table = read_table(part, allow_empty=True)
        for name in table.keys() & found.keys():
            raise _twice(part, name)
        found |= table
    return found


def utterances(path: str | Path) -> set[str]:
    """Read the ids of a data or shape file, without decoding the rest.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: An id is not UTF-8, or is there twice.
    """
    found: set[str] = set()
    for part in _parts(Path(path)):
        refuse_placeholder_file(part)
        try:
            with open(part, "rb") as file:
                for line in file:
                    if words := line.split(maxsplit=1):
                        name = words[0].decode("utf-8")
                        if name in found:
                            raise _twice(part, name)
                        found.add(name)
        except UnicodeDecodeError as error:
            raise ValueError(f"{part}: an id is not UTF-8: {error}") from None
    return found


def _twice(path: Path, name: str) -> ValueError:
    return ValueError(f"{path}: duplicate id {name}; each utterance has one line: remove the other")


def _parts(path: Path) -> Iterator[Path]:
    """The file, or, of a folder of ESPnet's `--multiple_iterator true`, its splits."""
    if not path.exists():
        raise FileNotFoundError(f"no file {path}")
    if not path.is_dir():
        yield path
        return
    text = read_text(path / "num_splits").strip()
    if not (text.isdecimal() and len(text) <= _DIGITS):
        raise ValueError(f"{path / 'num_splits'}: expected a whole number, got {text[:60]!r}")
    for number in range(1, int(text) + 1):
        yield path / f"split.{number}"
