"""Tables of a data directory, read for all their faults instead of up to the first."""

import re
import unicodedata
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from speechmoe_espnet.data.faults import Fault, Harm
from speechmoe_espnet.data.placeholder import BYTE_ORDER_MARK, placeholder

_BLANKS = " \t"
_BLANK = re.compile(f"[{_BLANKS}]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_TO_UTF8 = "convert the file, e.g. `iconv -f GB18030 -t UTF-8`"


@dataclass
class CheckedTable:
    """A table and its faults.

    Attributes:
        path: The file.
        entries: Value by id; of lines that repeat an id the first, if all are the same.
        lines: Line of each id, also of those that have no entry.
        bad: Why an id has no entry.
        faults: All faults, in the order of lines.
        exists: Whether there is such a file.
    """

    path: Path
    entries: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    bad: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    exists: bool = True

    def add(
        self, kind: str, problem: str, *, line: int = 0, name: str = "", harm: Harm = Harm.STOP
    ) -> None:
        """Note a fault."""
        self.faults.append(Fault(str(self.path), line, name, kind, problem, harm))

    def drop(self, name: str, kind: str, problem: str) -> None:
        """Note a fault that costs an id its entry."""
        self.add(kind, problem, line=self.lines.get(name, 0), name=name)
        self.entries.pop(name, None)
        self.bad.setdefault(name, f"{self.path.name}: {problem}")


def check_table(path: Path, *, of_files: bool = False) -> CheckedTable:
    """Read a table of lines `id value`.

    Args:
        path: File to read; it may be missing.
        of_files: Whether values are paths, which keep the form of their characters.
    """
    table = CheckedTable(path)
    if not path.is_file():
        table.exists = False
        return table
    content = path.read_bytes()
    if reason := placeholder(content):
        table.add("another file", reason)
        return table
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        table.add("not UTF-8", "is UTF-16; convert it by `iconv -f UTF-16 -t UTF-8`")
        return table
    if content.startswith(BYTE_ORDER_MARK):
        table.add("byte order mark", _form("begins with a byte order mark"), line=1, harm=Harm.FORM)
        content = content.removeprefix(BYTE_ORDER_MARK)
    if returns := content.count(b"\r"):
        first = content[: content.index(b"\r")].count(b"\n") + 1
        found = _form(f"{returns} lines end with CR LF or CR")
        table.add("CR LF", found, line=first, harm=Harm.FORM)
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    raw_lines = content.split(b"\n")
    if not raw_lines[-1]:
        raw_lines.pop()
    for number, raw in enumerate(raw_lines, start=1):
        _check_line(table, number, raw, of_files)
    _check_order(table)
    return table


def _form(problem: str) -> str:
    return f"{problem}; `speechmoe validate --fix` writes it anew"


def _check_line(table: CheckedTable, number: int, raw: bytes, of_files: bool) -> None:
    try:
        line = raw.decode("utf-8").strip(_BLANKS)
    except UnicodeDecodeError as error:
        start = raw[: error.start].decode("utf-8").split(maxsplit=1)
        problem = f"not UTF-8 at byte {error.start}; {_TO_UTF8}"
        name = start[0] if len(start) > 1 or (start and raw[: error.start][-1:].isspace()) else ""
        table.add("not UTF-8", problem, line=number, name=name)
        if name:
            table.entries.pop(name, None)
            table.lines.setdefault(name, number)
            table.bad.setdefault(name, f"{table.path.name}: {problem}")
        return
    if not line:
        table.add("empty line", "empty line; remove it", line=number)
        return
    name, *rest = _BLANK.split(line, maxsplit=1)
    name = unicodedata.normalize("NFC", name)
    value = rest[0] if rest else ""
    if not of_files:
        value = unicodedata.normalize("NFC", value)
    if name.split() != [name] or name.startswith("\ufeff"):
        problem = f"id {name!r} must not hold white space or a byte order mark; rename it"
        table.add("unusable id", problem, line=number)
        return
    if name in table.lines:
        _repeat(table, name, value, number)
        return
    table.lines[name] = number
    table.entries[name] = value
    if not value:
        table.drop(name, "no value", "no value after the id; add it, or remove the line")
    elif _CONTROL.search(value):
        problem = f"control character {_CONTROL.findall(value)[0]!r} in its value; remove it"
        table.drop(name, "control character", problem)


def _repeat(table: CheckedTable, name: str, value: str, number: int) -> None:
    first = table.lines[name]
    same = table.entries.get(name) == value
    keep = "remove one" if same else "they differ: remove the wrong one, or rename it"
    problem = f"duplicate id, first on line {first}; {keep}"
    table.add("duplicate id", problem, line=number, name=name)
    if not same:
        table.entries.pop(name, None)
        table.bad.setdefault(name, f"{table.path.name}: {problem}")


def _check_order(table: CheckedTable) -> None:
    names = list(table.lines)
    for before, name in pairwise(names):
        if name < before:
            problem = _form(f"not sorted: {name} follows {before}")
            table.add("not sorted", problem, line=table.lines[name], name=name, harm=Harm.FORM)
            return
