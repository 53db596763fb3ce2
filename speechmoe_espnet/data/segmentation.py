"""Segmentation of text into words: one rule for language model, lexicon and search.

A word list, an n-gram and a lexicon fit together only if all of them segment text in the same way.
The words of a text, joined without spaces, are always its `normalize_text`: the text that is
scored.

=====================  ===================================  ==============================
Part of the text       Words                                Example
=====================  ===================================  ==============================
Hanzi                  those of jieba's dictionary          ``今天去银行`` -> 今天 去 银行
Latin letters          as written; apostrophes do not cut   ``it's OK`` -> ITS OK
digits                 one a digit                          ``10号`` -> 1 0 号
any other character    one a character                      ``あい`` -> あ い
=====================  ===================================  ==============================
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Any

from speechmoe_espnet.data.text_norm import reduce_text, spoken_text

_HANZI = "〇㐀-䶿一-鿿﨎-﨩\U00020000-\U0003ffff"
_LATIN = "A-Za-zªºÀ-ÖØ-öø-ʯᴀ-ᶿḀ-ỿⱠ-Ɀ\ua720-\ua7ff\uab30-\uab6f"
_MARKS = "\u0300-\u036f"
_LATIN_WORD = rf"[{_LATIN}][{_LATIN}{_MARKS}]*"
_RUN = re.compile(rf"(?P<hanzi>[{_HANZI}]+)|{_LATIN_WORD}|.", re.DOTALL)
_ONLY_HANZI = re.compile(rf"[{_HANZI}]+")
_ONLY_LATIN = re.compile(_LATIN_WORD)
_APOSTROPHES = frozenset("'’‘＇`´")


def segment(text: str) -> list[str]:
    """Cut a transcript into words.

    Words of Latin letters end at white space, symbols and punctuation other than apostrophes.
    Hanzi are segmented by jieba's dictionary without its model of unknown words, so every word of
    several characters is in the dictionary and the result does not depend on the machine.

    Args:
        text: Any string.

    Returns:
        Non-empty words; joined they equal `normalize_text(text)`.
    """
    words: list[str] = []
    for piece in _pieces(text):
        for run in _RUN.finditer(piece):
            if run.lastgroup == "hanzi":
                words.extend(_jieba().cut(run[0], hmm=False))
            else:
                words.append(run[0])
    return words


def is_hanzi(word: str) -> bool:
    """Whether a word consists of Hanzi alone and is not empty."""
    return bool(_ONLY_HANZI.fullmatch(word))


def is_latin(word: str) -> bool:
    """Whether a word consists of Latin letters, with or without accents, and is not empty."""
    return bool(_ONLY_LATIN.fullmatch(word))


def _pieces(text: str) -> list[str]:
    """Return the normalised text, split where no Latin word continues."""
    text = spoken_text(text)
    whole = reduce_text(text)
    pieces = [piece for piece in map(reduce_text, _between_cuts(text)) if piece]
    # A combining mark joins the letter before it, even across removed characters: no cut there.
    return pieces if "".join(pieces) == whole else [whole]


def _between_cuts(text: str) -> Iterator[str]:
    start = 0
    for position, character in enumerate(text):
        if _cuts(character):
            yield text[start:position]
            start = position + 1
    yield text[start:]


@cache
def _cuts(character: str) -> bool:
    category = unicodedata.category(character)
    if character in _APOSTROPHES:
        return False
    return category == "Cc" or (category[0] in "PSZ" and not reduce_text(character))


@cache
def _jieba() -> Any:
    import rjieba

    return rjieba.Jieba()
