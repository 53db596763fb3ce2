"""Units of mixed-script text: characters for Hanzi, words for Latin.

One wrong Latin word of eight letters counts as eight characters in a character error rate, as much
as eight wrong Hanzi. The mixed error rate counts it once, as WeNet's compute-wer does. What that
counts otherwise: letters with accents belong to words here, and punctuation other than an
apostrophe, a hyphen or a point ends a word.
"""

import unicodedata
from collections.abc import Iterator

from speechmoe_espnet.data.text_norm import reduce_text, spoken_text

_INSIDE_WORDS = frozenset("'’‘＇`´-‐.")


def mixed_units(text: str) -> list[str]:
    """Cut a transcript into characters (Hanzi, kana) and words (other letters, digits).

    Args:
        text: Any string.

    Returns:
        Units without white space; joined they equal `normalize_text(text)`.
    """
    text = spoken_text(text)
    whole = reduce_text(text)
    pieces = [piece for piece in map(reduce_text, _between_cuts(text)) if piece]
    if "".join(pieces) != whole:
        # A combining mark joins the letter before it, even across removed characters.
        pieces = [whole]
    return [unit for piece in pieces for unit in _units(piece)]


def is_word(unit: str) -> bool:
    """Whether a unit is a word with letters, not a character or a number."""
    return any(_is_word_letter(character) for character in unit)


def _units(piece: str) -> Iterator[str]:
    word = ""
    for character in piece:
        if unicodedata.category(character) in ("Lo", "Nl", "So"):
            if word:
                yield word
            word = ""
            yield character
        else:
            word += character
    if word:
        yield word


def _is_word_letter(character: str) -> bool:
    return unicodedata.category(character) in ("Lu", "Ll", "Lt")


def _between_cuts(text: str) -> Iterator[str]:
    start = 0
    for position, character in enumerate(text):
        category = unicodedata.category(character)
        if category == "Cc" or (category[0] in "PSZ" and character not in _INSIDE_WORDS):
            yield text[start:position]
            start = position + 1
    yield text[start:]
