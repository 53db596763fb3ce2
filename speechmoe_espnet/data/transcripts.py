"""Transcripts made ready for training or scoring, and what was found in them.

`normalize_text` decides what a transcript becomes. Here a whole set goes through it: unknown marks
are refused or let through, utterances of which nothing is left are dropped, and all that vanished
is counted, so that nobody has to look for it.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speechmoe_espnet.data.markup import bracketed_text, find_marks, strip_marks
from speechmoe_espnet.data.mixed_units import is_word, mixed_units
from speechmoe_espnet.data.silent_symbols import unspoken_symbols
from speechmoe_espnet.data.simplified import simplify
from speechmoe_espnet.data.spoken_symbols import speak_symbols
from speechmoe_espnet.data.text_norm import normalize_text, reduce_text

REFUSE, KEEP, STRIP = "refuse", "keep", "strip"
UNKNOWN_MARKS = (REFUSE, KEEP, STRIP)
TEXT_REPORT = "text_report.json"
WORDS = "words"
_SHOWN = 5


@dataclass(frozen=True)
class TextRule:
    """What transcripts go through besides `normalize_text`; the same for training and scoring.

    Attributes:
        unknown_marks: What happens to marks with unknown names: `refuse` is an error, `keep` keeps
            their letters, `strip` removes them.
        simplify: Whether traditional characters are written as simplified ones.
    """

    unknown_marks: str = REFUSE
    simplify: bool = False

    def __post_init__(self) -> None:
        if self.unknown_marks not in UNKNOWN_MARKS:
            raise ValueError(
                f"unknown_marks must be one of {', '.join(UNKNOWN_MARKS)}, got "
                f"{self.unknown_marks!r}"
            )

    def apply(self, text: str) -> str:
        """Return a transcript for `normalize_text`, `segment` or `mixed_units`."""
        if self.unknown_marks == STRIP:
            text = strip_marks(text, unknown=True)
        return simplify(text) if self.simplify else text


@dataclass
class TextReport:
    """What was found in the transcripts of a set.

    Attributes:
        num_utts: Utterances looked at.
        marks: Known marks that were removed, with their counts.
        unknown_marks: Marks with unknown names that were kept or removed.
        bracketed: Text in brackets that was kept, such as `(S02)`.
        num_spoken: Utterances with symbols that were written as spoken.
        symbols: Symbols that were removed without being spoken, and punctuation between digits.
        num_with_digits: Utterances with digits, which are read one by one.
        dropped: Ids of the utterances of which nothing was left.
    """

    num_utts: int = 0
    marks: Counter[str] = field(default_factory=Counter)
    unknown_marks: Counter[str] = field(default_factory=Counter)
    bracketed: Counter[str] = field(default_factory=Counter)
    num_spoken: int = 0
    symbols: Counter[str] = field(default_factory=Counter)
    num_with_digits: int = 0
    dropped: list[str] = field(default_factory=list)

    def note(self, name: str, text: str, normalized: str) -> None:
        """Count what an utterance has.

        Args:
            name: Its id.
            text: Its transcript.
            normalized: What `normalize_text` made of it.
        """
        self.num_utts += 1
        if not normalized:
            self.dropped.append(name)
        if text.replace("，", "") == normalized and not any(map(str.isdecimal, normalized)):
            return
        for mark in find_marks(text):
            (self.marks if mark.is_known else self.unknown_marks)[mark.text] += 1
        self.bracketed.update(bracketed_text(text))
        plain = strip_marks(text, unknown=True)
        spoken = speak_symbols(plain)
        self.num_spoken += reduce_text(spoken) != reduce_text(plain)
        self.symbols.update(unspoken_symbols(spoken))
        self.num_with_digits += any(map(str.isdecimal, normalized))

    def lines(self) -> list[str]:
        """Say what was found, a line for each kind."""
        lines = []
        for counts, what in (
            (self.marks, "marks removed"),
            (self.unknown_marks, "marks with unknown names"),
            (self.bracketed, "pieces in brackets kept as text"),
            (self.symbols, "symbols removed that are not spoken"),
        ):
            if counts:
                shown = ", ".join(f"{key} {count}" for key, count in counts.most_common(_SHOWN))
                more = ", ..." if len(counts) > _SHOWN else ""
                lines.append(f"{counts.total()} {what}: {shown}{more}")
        if self.num_spoken:
            lines.append(f"{self.num_spoken} utterances with symbols written as spoken")
        if self.num_with_digits:
            lines.append(f"{self.num_with_digits} utterances with digits, read one by one")
        if self.dropped:
            shown = ", ".join(self.dropped[:_SHOWN])
            more = ", ..." if len(self.dropped) > _SHOWN else ""
            lines.append(f"{len(self.dropped)} utterances without text left out: {shown}{more}")
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return everything, for a JSON file."""
        return {
            "num_utts": self.num_utts,
            "marks": dict(self.marks.most_common()),
            "unknown_marks": dict(self.unknown_marks.most_common()),
            "bracketed": dict(self.bracketed.most_common()),
            "num_spoken": self.num_spoken,
            "symbols": dict(self.symbols.most_common()),
            "num_with_digits": self.num_with_digits,
            "dropped": self.dropped,
        }

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        text = json.dumps(self.to_dict(), ensure_ascii=False, indent=1)
        path.write_text(text + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Transcripts:
    """The transcripts of a set.

    Attributes:
        text: Normalised transcripts by utterance id, none of them empty.
        words: Units for the mixed error rate, separated by spaces, of those utterances whose
            normalised text does not say where words end: one Latin word follows another.
        report: What was found.
    """

    text: dict[str, str]
    words: dict[str, str]
    report: TextReport


def prepare_transcripts(
    path: str | Path, table: Mapping[str, str], rule: TextRule | None = None
) -> Transcripts:
    """Normalise the transcripts of a set.

    Args:
        path: Name of the table in messages.
        table: Transcript by utterance id.
        rule: What they go through; None: unknown marks are refused.

    Raises:
        ValueError: A transcript has a mark with an unknown name, or nothing is left of any.
    """
    rule = rule or TextRule()
    if rule.unknown_marks == REFUSE:
        refuse_unknown_marks(path, table)
    report = TextReport()
    text: dict[str, str] = {}
    words: dict[str, str] = {}
    for name, value in table.items():
        applied = rule.apply(value)
        normalized = normalize_text(applied)
        report.note(name, value, normalized)
        if not normalized:
            continue
        text[name] = normalized
        if any(map(is_word, normalized)):
            units = mixed_units(applied)
            if units != mixed_units(normalized):
                words[name] = " ".join(units)
    if table and not text:
        raise ValueError(f"{path}: nothing is left of any of {len(table)} transcripts")
    return Transcripts(text, words, report)


def refuse_unknown_marks(path: str | Path, table: Mapping[str, str]) -> None:
    """Check that all marks of transcripts are known.

    Args:
        path: Name of the table in messages.
        table: Transcript by utterance id.

    Raises:
        ValueError: A mark is not known; the message names up to five, with an utterance each.
    """
    unknown: dict[str, str] = {}
    count = 0
    for name, value in table.items():
        for mark in find_marks(value):
            if not mark.is_known:
                unknown.setdefault(mark.text, name)
                count += 1
    if unknown:
        shown = ", ".join(f"{mark} ({name})" for mark, name in list(unknown.items())[:_SHOWN])
        more = ", ..." if len(unknown) > _SHOWN else ""
        raise ValueError(
            f"{path}: {count} marks with unknown names: {shown}{more}; remove them by "
            f"--unknown_marks strip if they are not said, or keep their letters by "
            f"--unknown_marks keep"
        )
