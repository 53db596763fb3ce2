"""Numbers in Hanzi, as they are spoken."""

_DIGITS = "零一二三四五六七八九"
_UNITS = ("", "十", "百", "千")
_GROUPS = ("", "万", "亿")
_MOST_DIGITS = 12


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
    if not 0 <= value < 10**_MOST_DIGITS:
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


def hanzi_whole(digits: str) -> str:
    """Read a whole number as a quantity; with a leading zero or over twelve digits one by one.

    Args:
        digits: ASCII digits, at least one.
    """
    if len(digits) > _MOST_DIGITS or (len(digits) > 1 and digits[0] == "0"):
        return hanzi_digits(digits)
    return hanzi_number(int(digits))


def hanzi_decimal(number: str) -> str:
    """Read a number with or without a point: "3.5" is 三点五, "1,200" is 一千二百.

    Numbers with leading zeros or more than twelve digits are read digit by digit.

    Args:
        number: ASCII digits, perhaps with commas between groups of three and with one point.
    """
    whole, point, fraction = number.replace(",", "").partition(".")
    spoken = hanzi_whole(whole or "0")
    return f"{spoken}点{hanzi_digits(fraction)}" if point and fraction else spoken


def _below_ten_thousand(value: int) -> str:
    text = ""
    for power in reversed(range(len(_UNITS))):
        digit = value // 10**power % 10
        if digit:
            text += _DIGITS[digit] + _UNITS[power]
        elif text and value % 10**power and not text.endswith(_DIGITS[0]):
            text += _DIGITS[0]
    return text
