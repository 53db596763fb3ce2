"""Faults of a data directory: where each is, what is wrong and what cures it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from speechmoe_espnet.data.table import read_table, write_table

LEFT_OUT = "left_out"
"""Name of the table of utterances that a directory lacks: `utterance reason`."""
NUM_SHOWN = 10


class Harm(Enum):
    """What a fault does.

    Attributes:
        NOTE: Recipes convert it for a corpus of one's own.
        FORM: Recipes read the file rightly all the same; other programs may not.
        STOP: A recipe stops.
    """

    NOTE = "note"
    FORM = "form"
    STOP = "stop"


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        file: The file it is in.
        line: Line, from 1; 0 for the file as a whole.
        name: Utterance, recording or speaker; empty for the file as a whole.
        kind: Few words that all faults of its kind share.
        problem: What is wrong, and what cures it.
        harm: What it does.
    """

    file: str
    line: int
    name: str
    kind: str
    problem: str
    harm: Harm = Harm.STOP

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        name = f"{self.name}: " if self.name else ""
        note = "note: " if self.harm is Harm.NOTE else ""
        return f"{place}: {note}{name}{self.problem}"


def count_kinds(faults: Iterable[Fault]) -> str:
    """Return `3 no file, 1 duplicate id`, the most frequent kind first."""
    counts = Counter(fault.kind for fault in faults)
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common())


class FaultsError(ValueError):
    """Faults stop here; the message has up to NUM_SHOWN of them.

    Attributes:
        faults: All of them.
    """

    def __init__(self, path: str | Path, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        lines = [str(fault) for fault in faults[:NUM_SHOWN]]
        lines += [f"... ({len(faults)} in all)"] if len(faults) > NUM_SHOWN else []
        what = f"{len(faults)} faults ({count_kinds(faults)})" if faults else "no utterances"
        super().__init__("\n  ".join([f"{path}: {what}", *lines]))


def listed(error: FaultsError, path: str | Path | None) -> ValueError:
    """Write all faults of an error to a file, if one is given; return the error that names it."""
    if path is None or not error.faults:
        return error
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{fault}\n" for fault in error.faults)
    Path(path).write_text(lines, encoding="utf-8", newline="\n")
    return ValueError(
        f"{error}\n  all of them: {path}; cure them, or go on without these utterances by "
        f"--skip-bad FILE"
    )


def write_left_out(path: Path, left_out: Mapping[str, str]) -> None:
    """Write the table of utterances that were left out; reasons become one line each."""
    write_table(path, {name: " ".join(reason.split()) for name, reason in left_out.items()})


@dataclass(frozen=True)
class LeftOut:
    """Utterances that a set of a recipe lacks.

    Attributes:
        reasons: Why, by utterance.
        num_used: Utterances that the set has.
    """

    reasons: Mapping[str, str]
    num_used: int


def read_left_out(folder: Path) -> dict[str, LeftOut]:
    """Read what the sets of a folder lack, by name of the set; sets without the table are left out.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: A table cannot be read.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"no directory {folder}")
    return {
        path.parent.name: LeftOut(read_table(path), len(read_table(path.parent / "text")))
        for path in sorted(folder.glob(f"*/{LEFT_OUT}"))
    }
