"""Text normalisation: one rule for training text, language model text and scoring.

Character error rates are comparable only if they count the same characters. All code that writes
or compares text therefore calls `normalize_text`:

======================================  ==========================  =======================
Input                                   Result                      Example
======================================  ==========================  =======================
marks that are not said (`markup`)      removed                     ``<sil>好[FIL]`` -> ``好``
symbols that are (`spoken_symbols`)     as they are spoken          ``3.5%`` -> ``百分之三点五``
full-width and other compatibility      NFKC form                   ``ＡＢ１２`` -> ``AB12``
letters with case (Latin and others)    upper case                  ``iPhone`` -> ``IPHONE``
other digits of any script              ASCII digits, not read out  ``٣`` -> ``3``
white space, also between Latin words   removed                     ``ok bye`` -> ``OKBYE``
punctuation (Unicode P*)                removed                     ``你好，吗？`` -> ``你好吗``
other symbols (Unicode S*), emoji       removed                     ``你好😀`` -> ``你好``
control and format characters           removed                     ``你\\u200b好`` -> ``你好``
enclosing marks, variation selectors    removed                     ``1\\ufe0f\\u20e3`` -> ``1``
all other characters (Hanzi, 〇, marks)  kept                        ``二〇一〇`` -> itself
======================================  ==========================  =======================

What is removed without being said, and digits that are not read out, are counted by `transcripts`.
"""

import re
import unicodedata

from speechmoe_espnet.data.markup import strip_marks
from speechmoe_espnet.data.spoken_symbols import speak_symbols

_REMOVED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Me"})
_REMOVED_CLASSES = frozenset("PSZ")
# Most transcripts are nothing else, and this is how the rule leaves them.
_PLAIN = re.compile("[一-龥A-Z0-9]*")
_VARIATION_SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0), range(0x180B, 0x1810))


class _CharacterTable(dict[int, str]):
    """Replacement of each code point, computed at its first use."""

    def __missing__(self, code: int) -> str:
        result = self[code] = _replacement(code)
        return result


def _replacement(code: int) -> str:
    character = chr(code)
    category = unicodedata.category(character)
    if (
        category in _REMOVED_CATEGORIES
        or category[0] in _REMOVED_CLASSES
        or any(code in selectors for selectors in _VARIATION_SELECTORS)
    ):
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(character))
    return character.upper()


_TABLE = _CharacterTable()


def normalize_text(text: str) -> str:
    """Reduce a transcript to the characters that are scored.

    The result has no white space. Normalising it again does not change it.

    Args:
        text: Any string.

    Returns:
        The normalised text; empty if no scored character is left.
    """
    plain = text.replace("，", "")
    if _PLAIN.fullmatch(plain):
        return plain
    return reduce_text(spoken_text(text))


def spoken_text(text: str) -> str:
    """Remove the marks of a transcript and write its symbols as they are spoken.

    Args:
        text: Any string.

    Returns:
        The text with its white space, punctuation and case.
    """
    return speak_symbols(strip_marks(text))


def reduce_text(text: str) -> str:
    """Remove from a spoken text what is not scored; the rest of `normalize_text`.

    Args:
        text: A text that `spoken_text` gave, or a part of it.
    """
    while True:
        result = unicodedata.normalize(
            "NFKC", unicodedata.normalize("NFKC", text).translate(_TABLE)
        )
        if result == text:
            return result
        text = result
