"""Tables of recordings: csv and tsv files with the columns path and text, and perhaps speaker."""

import csv
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from speechmoe_espnet.corpora.transcribed import Found, Recorded, name_of, utterance_id
from speechmoe_espnet.data.faults import Fault
from speechmoe_espnet.data.text_file import read_text

ENDINGS = (".csv", ".tsv")
# Names of a column in a header, in any case; the first is that of messages.
NAMES = {
    "path": (
        "path",
        "audio",
        "audio_path",
        "audio_filepath",
        "file",
        "file_name",
        "filename",
        "wav",
    ),
    "text": ("text", "sentence", "transcript", "transcription"),
    "speaker": ("speaker", "speaker_id", "spk", "client_id"),
}
_COLUMN = {name: column for column, names in NAMES.items() for name in names}
_NEEDED = ("path", "text")


@dataclass(frozen=True)
class _Columns:
    """Place of each column; `width` is the number of cells of a row."""

    path: int
    text: int
    speaker: int | None
    width: int


def read_rows(table: Path) -> Found:
    """Read a table of recordings.

    A tsv file has tabs between its columns, a csv file commas, or semicolons or tabs where its
    first row has no comma. Quotes are those of Python's csv. A header names the columns (`NAMES`)
    in any order, others among them; without one a row is `path, text` or `path, text, speaker`.
    Relative paths start at the folder of the table. Empty rows are skipped.

    Args:
        table: The file.

    Returns:
        The recordings, and a fault for each row that cannot be used.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not UTF-8 or no table, has no rows, or no column path or text.
    """
    rows = list(_rows(table))
    if not rows:
        raise ValueError(f"{table}: no rows; it needs the columns {', '.join(_NEEDED)}")
    columns, has_header = _columns(table, *rows[0])
    found, items = Found(table), []
    for line, cells in rows[1:] if has_header else rows:
        if len(cells) != columns.width or not cells[columns.path]:
            said = "no path" if len(cells) == columns.width else f"{len(cells)} cells"
            found.faults.append(
                Fault(
                    str(table),
                    line,
                    f"line_{line}",
                    "columns",
                    f"{said}, where a row has {columns.width}; quote cells that hold the separator",
                )
            )
            continue
        audio = table.parent / cells[columns.path]
        speaker = "" if columns.speaker is None else name_of(cells[columns.speaker])
        items.append(Recorded("", audio, cells[columns.text], speaker, table, line))
    if not items and not found.faults:
        raise ValueError(f"{table}: a header and no rows")
    found.take(_named(items))
    return found


def _named(items: Sequence[Recorded]) -> Iterator[Recorded]:
    """Give ids: paths without what they share, so that it does not matter where a corpus lies."""
    folders = [os.path.dirname(os.path.abspath(item.audio)) for item in items]
    top = os.path.commonpath(folders) if folders else ""
    for item in items:
        name = utterance_id(os.path.relpath(os.path.abspath(item.audio), top))
        yield Recorded(name, item.audio, item.text, item.speaker, item.file, item.line)


def _rows(table: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not empty, with the line at which each begins."""
    text = read_text(table, nfc=False)
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=_delimiter(table, text), strict=True
    )
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise ValueError(
                f"{table}:{line}: not a table: {error}; write a quote within quotes twice"
            ) from None
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield line, [cell.strip() for cell in cells]


def _delimiter(table: Path, text: str) -> str:
    if table.suffix.lower() == ".tsv":
        return "\t"
    first = next((line for line in text.split("\n") if line.strip()), "")
    if "," not in first:
        for other in ("\t", ";"):
            if other in first:
                return other
    return ","


def _columns(table: Path, line: int, cells: Sequence[str]) -> tuple[_Columns, bool]:
    """Return the columns, and whether the first row is a header."""
    known = [_COLUMN.get(cell.casefold()) for cell in cells]
    named = [column for column in known if column is not None]
    if not named or (len(named) < 2 and os.path.isfile(table.parent / cells[0])):
        if 2 <= len(cells) <= 3 and os.path.isfile(table.parent / cells[0]):
            return _Columns(0, 1, 2 if len(cells) == 3 else None, len(cells)), False
        raise ValueError(
            f"{table}:{line}: no header, which names the columns {', '.join(_NEEDED)} and perhaps "
            f"speaker, and no row `path, text` or `path, text, speaker` of an existing file: got "
            f"{', '.join(map(repr, cells[:5]))[:200]}"
        )
    missing = [column for column in _NEEDED if column not in named]
    if missing or len(set(named)) < len(named):
        twice = sorted({column for column in named if named.count(column) > 1})
        said = f"lacks {', '.join(missing)}" if missing else f"has {', '.join(twice)} twice"
        allowed = "; ".join(f"{column}: {', '.join(NAMES[column])}" for column in missing or twice)
        raise ValueError(f"{table}:{line}: the header {said}; names of columns are {allowed}")
    speaker = known.index("speaker") if "speaker" in known else None
    return _Columns(known.index("path"), known.index("text"), speaker, len(cells)), True
