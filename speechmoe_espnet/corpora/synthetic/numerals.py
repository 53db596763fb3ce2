"""Numbers in Hanzi, as they are spoken."""

import re

_DIGITS = "零一二三四五六七八九"
_UNITS = ("", "十", "百", "千")
_GROUPS = ("", "万", "亿")
_NUMBER = re.compile(r"\d+")


def hanzi_digits(digits: str) -> str:
    """Read digits one by one: "1998" is 一九九八.

    Args:
        digits: ASCII digits.
    """
    return "".join(_DIGITS[int(digit)] for digit in digits)


def hanzi_number(value: int) -> str:
    """Read a number as a quantity: 10203 is 一万零二百零三, 15 is 十五.

    Args:
        value: From 0 to 999,999,999,999.

    Raises:
        ValueError: The value is outside that range.
    """
    if not 0 <= value < 10**12:
        raise ValueError(f"number must be from 0 to 999999999999, got {value}")
    if value == 0:
        return _DIGITS[0]
    text = ""
    for group in reversed(range(len(_GROUPS))):
        part = value // 10 ** (4 * group) % 10**4
        if part == 0:
            continue
        if text and part < 1000:
            text += _DIGITS[0]
        text += _below_ten_thousand(part) + _GROUPS[group]
    return text.removeprefix("一") if text.startswith("一十") else text


def _below_ten_thousand(value: int) -> str:
    text = ""
    for power in reversed(range(len(_UNITS))):
        digit = value // 10**power % 10
        if digit:
            text += _DIGITS[digit] + _UNITS[power]
        elif text and value % 10**power and not text.endswith(_DIGITS[0]):
            text += _DIGITS[0]
    return text


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
        leading_zero = len(match[0]) > 1 and match[0][0] == "0"
        spoken = hanzi_digits(match[0]) if year or leading_zero else hanzi_number(int(match[0]))
        pieces.append(text[end : match.start()] + spoken)
        end = match.end()
    return "".join(pieces) + text[end:]


def _is_symbol(character: str) -> bool:
    return character.isascii() and character not in ("", " ") and not character.isdigit()
