"""An error listing in which Chinese characters line up.

A Chinese character takes two columns of a terminal and a Latin letter one, so `str.ljust` breaks
every alignment. Here each place is as wide as the wider of its two tokens, and gaps are padded
with full-width characters where a full-width character stands in the other row.
"""

import unicodedata
from collections.abc import Iterable, Sequence

from speechmoe_espnet.scoring.alignment import Pair, align_each
from speechmoe_espnet.scoring.cer import UNIT_NAMES, UtteranceScore

MAX_COLUMNS = 96
_MARKS = {"equal": " ", "substitute": "S", "delete": "D", "insert": "I"}
_FULL_WIDTH_OFFSET = 0xFEE0
_IDEOGRAPHIC_SPACE = "\u3000"


def display_width(text: str) -> int:
    """Count the columns that a terminal needs for a text.

    Args:
        text: Any text without control characters.

    Returns:
        2 for a wide or full-width character, 0 for a combining mark, 1 for any other.
    """
    return sum(_character_width(character) for character in text)


def pad(text: str, width: int) -> str:
    """Append spaces until a text takes `width` columns, full-width ones where two fit."""
    wide, narrow = divmod(width - display_width(text), 2)
    return text + (_IDEOGRAPHIC_SPACE * wide + " " * narrow if wide > 0 else " " * narrow)


def worst_first(scores: Iterable[UtteranceScore]) -> list[UtteranceScore]:
    """Sort the utterances with errors, the most costly first.

    The order is by number of errors, then by rate, then by id: what moves a pooled error rate
    most stands on top, not a one-word utterance with a rate of 300 %.
    """
    return sorted(
        (score for score in scores if score.num_errors),
        key=lambda score: (-score.num_errors, score.num_chars, score.utt),
    )


def error_listing(scores: Sequence[UtteranceScore], metric: str, *, unit: str | None = None) -> str:
    """Write the aligned errors of a set, worst utterance first.

    Args:
        scores: The utterances of the set.
        metric: `cer` or `ser`.
        unit: What is counted; None: characters for `cer`, syllables for `ser`.

    Returns:
        Text of `errors.txt`.
    """
    wrong = worst_first(scores)
    unit = unit or UNIT_NAMES[metric]
    lines = [
        f"{len(wrong)} of {len(scores)} utterances have errors. Most errors first. "
        "S substituted, D deleted, I inserted.",
        "",
    ]
    alignments = align_each([score.ref for score in wrong], [score.hyp for score in wrong], metric)
    for score, pairs in zip(wrong, alignments, strict=True):
        rate = 100.0 * score.num_errors / score.num_chars
        lines.append(
            f"{score.utt} ({score.spk}): {rate:.1f} %, {score.num_errors} errors in "
            f"{score.num_chars} {unit} (S {score.sub}, D {score.del_}, I {score.ins})"
        )
        lines.extend(aligned_rows(pairs, separator="" if metric == "cer" else " "))
        lines.append("")
    return "\n".join(lines)


def aligned_rows(pairs: Sequence[Pair], *, separator: str = "") -> list[str]:
    """Write an alignment as rows `ref`, `hyp` and marks, broken where a terminal line is full.

    Args:
        pairs: The alignment.
        separator: What stands between two places.

    Returns:
        Three rows for each piece of the alignment.
    """
    pieces: list[list[tuple[str, str, str]]] = [[]]
    used = 0
    for pair in pairs:
        width = max(display_width(pair.ref), display_width(pair.hyp))
        wide = _is_wide(pair.ref) or _is_wide(pair.hyp)
        place = (
            pad(pair.ref or _gap(width, wide), width),
            pad(pair.hyp or _gap(width, wide), width),
            pad(_full_width(_MARKS[pair.operation]) if wide else _MARKS[pair.operation], width),
        )
        used += width + len(separator)
        if pieces[-1] and used > MAX_COLUMNS:
            pieces.append([])
            used = width + len(separator)
        pieces[-1].append(place)
    rows = []
    for piece in pieces:
        for label, row in zip(("ref", "hyp", "   "), zip(*piece, strict=True), strict=False):
            rows.append(f"  {label}  {separator.join(row)}".rstrip())
    return rows


def _character_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _is_wide(text: str) -> bool:
    return any(_character_width(character) == 2 for character in text)


def _gap(width: int, wide: bool) -> str:
    return _full_width("*") * (width // 2) if wide else "*" * width


def _full_width(mark: str) -> str:
    return _IDEOGRAPHIC_SPACE if mark == " " else chr(ord(mark) + _FULL_WIDTH_OFFSET)
