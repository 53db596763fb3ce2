"""Alignments of hypotheses with references, by jiwer.

Its functions count spaces as characters and strip white space, so that text is given without spaces
and with transforms that only split.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import jiwer

_TEXTS_AT_A_TIME = 1000
_SPLIT_CHARACTERS = jiwer.ReduceToListOfListOfChars()
_SPLIT_UNITS = jiwer.ReduceToListOfListOfWords()


@dataclass(frozen=True)
class Pair:
    """One position of an alignment.

    Attributes:
        operation: `equal`, `substitute`, `delete` or `insert`.
        ref: Reference token, empty for an insertion.
        hyp: Hypothesis token, empty for a deletion.
    """

    operation: str
    ref: str
    hyp: str


def align(refs: Sequence[str], hyps: Sequence[str], metric: str) -> list[list[Pair]]:
    """Align texts with jiwer.

    Args:
        refs: References, as `comparable_text` gives them.
        hyps: Their hypotheses.
        metric: `cer` compares characters, `ser` units separated by a space.

    Returns:
        The alignment of each reference, from left to right.
    """
    process = jiwer.process_characters if metric == "cer" else jiwer.process_words
    split = _SPLIT_CHARACTERS if metric == "cer" else _SPLIT_UNITS
    if not refs:
        return []
    output = process(list(refs), list(hyps), reference_transform=split, hypothesis_transform=split)
    return [
        [pair for chunk in chunks for pair in _pairs(chunk, ref, hyp)]
        for chunks, ref, hyp in zip(
            output.alignments, output.references, output.hypotheses, strict=True
        )
    ]


def align_each(refs: Sequence[str], hyps: Sequence[str], metric: str) -> Iterator[list[Pair]]:
    """Align texts as `align` does, some at a time: alignments of long lists fill the memory."""
    for first in range(0, len(refs), _TEXTS_AT_A_TIME):
        block = slice(first, first + _TEXTS_AT_A_TIME)
        yield from align(refs[block], hyps[block], metric)


def _pairs(chunk: jiwer.AlignmentChunk, ref: list[str], hyp: list[str]) -> list[Pair]:
    refs = ref[chunk.ref_start_idx : chunk.ref_end_idx]
    hyps = hyp[chunk.hyp_start_idx : chunk.hyp_end_idx]
    if chunk.type == "delete":
        return [Pair("delete", token, "") for token in refs]
    if chunk.type == "insert":
        return [Pair("insert", "", token) for token in hyps]
    return [Pair(chunk.type, *tokens) for tokens in zip(refs, hyps, strict=True)]
