"""Text normalisation: one rule for training text, language model text and scoring.

Character error rates are comparable only if they count the same characters. All code that writes
or compares text therefore calls `normalize_text`:

======================================  ==========================  =======================
Input                                   Result                      Example
======================================  ==========================  =======================
full-width and other compatibility      NFKC form                   ``ＡＢ１２`` -> ``AB12``
letters with case (Latin and others)    upper case                  ``iPhone`` -> ``IPHONE``
decimal digits of any script            ASCII digits, not read out  ``٣`` -> ``3``
white space, also between Latin words   removed                     ``ok bye`` -> ``OKBYE``
punctuation (Unicode P*)                removed                     ``你好，吗？`` -> ``你好吗``
symbols (Unicode S*), emoji included    removed                     ``1+1`` -> ``11``
control and format characters           removed                     ``你\\u200b好`` -> ``你好``
enclosing marks, variation selectors    removed                     ``1\\ufe0f\\u20e3`` -> ``1``
all other characters (Hanzi, 〇, marks)  kept                        ``二〇一〇`` -> itself
======================================  ==========================  =======================
"""

import re
import unicodedata

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
    while True:
        result = unicodedata.normalize(
            "NFKC", unicodedata.normalize("NFKC", text).translate(_TABLE)
        )
        if result == text:
            return result
        text = result
