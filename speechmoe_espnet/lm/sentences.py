"""Sentences for language models: read from any mix of files and cut into words.

Transcripts of a corpus are Kaldi tables with ids, other text is plain. Both are segmented by the
same rule as in the lexicon and the search.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from speechmoe_espnet.data import text_file
from speechmoe_espnet.data.segmentation import segment
from speechmoe_espnet.data.simplified import simplify
from speechmoe_espnet.data.spoken_numbers import speak_numbers
from speechmoe_espnet.data.table import read_table
from speechmoe_espnet.data.text_norm import normalize_text

KALDI_TEXT = "text"
LEVELS = ("word", "char")


def read_lines(path: str | Path, *, simplified: bool = False) -> list[str]:
    """Read the sentences of a file.

    Args:
        path: UTF-8 file, with or without a byte order mark. A file named `text` is a Kaldi table
            with an id on each line; any other file is plain, one sentence per line. Blank lines of
            plain files are skipped, and their numbers are written as they are spoken. Transcripts
            keep their digits.
        simplified: Whether to write traditional characters as simplified ones.

    Returns:
        Sentences, in the order of the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line is not UTF-8 or (Kaldi) has no id or no text; the message starts with
            `file:line`.
    """
    path = Path(path)
    if path.name == KALDI_TEXT:
        lines = list(read_table(path).values())
    else:
        written = (line for raw in text_file.read_lines(path) if (line := raw.strip()))
        lines = list(map(speak_numbers, written))
    return list(map(simplify, lines)) if simplified else lines


def segment_lines(
    lines: Iterable[str], level: str = "word", source: str = "text"
) -> list[list[str]]:
    """Cut sentences into tokens.

    Args:
        lines: Sentences; those without a scored character are skipped.
        level: `word` for the words of `data.segmentation.segment`, `char` for the characters
            of the normalised sentence.
        source: Name of the lines in messages.

    Returns:
        Tokens of each sentence, at least one per sentence.

    Raises:
        ValueError: There is no such level, or no sentence is left.
    """
    if level not in LEVELS:
        raise ValueError(f"level must be one of {', '.join(LEVELS)}; got {level!r}")
    cut = segment if level == "word" else _characters
    sentences = [tokens for tokens in map(cut, lines) if tokens]
    if not sentences:
        raise ValueError(f"{source}: no text: every line is empty after normalisation")
    return sentences


def read_sentences(
    paths: Sequence[str | Path], level: str = "word", *, simplified: bool = False
) -> list[list[str]]:
    """Read and segment the sentences of several files, in the order of the files.

    Args:
        paths: Files, see `read_lines`. A sentence that occurs several times counts several times.
        level: See `segment_lines`.
        simplified: See `read_lines`.

    Returns:
        Tokens of each sentence.

    Raises:
        FileNotFoundError: A file does not exist.
        ValueError: No file is named, one is named twice, one has no text or text that cannot
            be read, or there is no such level.
    """
    if not paths:
        raise ValueError("no text file is named; name at least one")
    resolved = [os.path.realpath(path) for path in paths]
    for index, path in enumerate(resolved):
        if path in resolved[:index]:
            raise ValueError(f"text file {paths[index]} is named twice; its counts would double")
    return [
        sentence
        for path in paths
        for sentence in segment_lines(
            read_lines(path, simplified=simplified), level, source=str(path)
        )
    ]


def _characters(text: str) -> list[str]:
    return list(normalize_text(text))
