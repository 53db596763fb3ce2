"""Plain numbers of written text in Hanzi, as they are spoken.

Text for a language model is written, and a recogniser hears what is spoken: `75元` is 七十五元, not
the digits 7 and 5. Symbols come first (`spoken_symbols`); this is the rule for the numbers that it
leaves:

=========================  ================  ============================
Written                    Spoken            Rule
=========================  ================  ============================
``75`` ``10203``           七十五 一万零二百零三  a quantity
``2个`` ``2小时``            两个 两小时         2 before a measure word, not after 第
``1998年``                  一九九八年          four digits before 年
``007`` ``85007938``       digit by digit    leading zero; eight and more
``B12`` ``4K``             digit by digit    beside a Latin letter
=========================  ================  ============================
"""

import re

from speechmoe_espnet.data.hanzi_numbers import hanzi_digits, hanzi_whole
from speechmoe_espnet.data.spoken_symbols import speak_symbols

_NUMBER = re.compile(r"(?<![0-9])[0-9]+")
_MOST_DIGITS = 7
"""Longer numbers are those of telephones, orders and the like."""
_COUNTED = re.compile("个|位|家|次|天|人|块|种|款|部|首|张|只|条|件|岁|点|小时|分钟|万|亿|千")


def speak_numbers(text: str) -> str:
    """Write symbols and numbers of a sentence as they are spoken.

    Args:
        text: Any string.

    Returns:
        The text without ASCII digits; unchanged if it had none.
    """
    if not _NUMBER.search(text):
        return text
    text = speak_symbols(text)
    return _NUMBER.sub(lambda match: spoken_number(text, match.start(), match.end()), text)


def spoken_number(text: str, start: int, end: int) -> str:
    """Return the reading of the digits `text[start:end]`, by what stands beside them."""
    digits, before, after = text[start:end], text[start - 1 : start], text[end : end + 1]
    is_year = len(digits) == 4 and after == "年"
    is_name = any(letter.isascii() and letter.isalpha() for letter in (before, after))
    if is_year or is_name or len(digits) > _MOST_DIGITS:
        return hanzi_digits(digits)
    if digits == "2" and before != "第" and _COUNTED.match(text, end):
        return "两"
    return hanzi_whole(digits)
