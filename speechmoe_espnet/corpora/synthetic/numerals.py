"""Numbers of written sentences read out, where their reading is certain."""

import re

from speechmoe_espnet.data.hanzi_numbers import hanzi_digits, hanzi_whole

_NUMBER = re.compile(r"\d+")


def read_out_numbers(text: str) -> str | None:
    """Replace ASCII digits by Hanzi, as a reader says them.

    Four digits before 年 are a year and are read digit by digit; other whole numbers are
    quantities.

    Args:
        text: Text after NFKC.

    Returns:
        The text in Hanzi, or None if a number is not a plain whole number (decimals, percentages,
        times, model names), since its reading would be a guess.
    """
    pieces = []
    end = 0
    for match in _NUMBER.finditer(text):
        before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
        if len(match[0]) > 8 or _is_symbol(before) or _is_symbol(after):
            return None
        year = len(match[0]) == 4 and after == "年"
        spoken = hanzi_digits(match[0]) if year else hanzi_whole(match[0])
        pieces.append(text[end : match.start()] + spoken)
        end = match.end()
    return "".join(pieces) + text[end:]


def _is_symbol(character: str) -> bool:
    return character.isascii() and character not in ("", " ") and not character.isdigit()
