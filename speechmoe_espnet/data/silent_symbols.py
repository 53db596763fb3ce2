"""Symbols that scoring ignores.

`3·5`, `3。5` and `(3,5)` are 35 once punctuation is removed. Nobody can say what each of them was
meant to be, so that they are not read out; they are counted, so that nobody scores them in silence.
"""

import re
import unicodedata

_SILENT = frozenset("%‰‱&@#*/\\^~′[]{}")
_GROUPED = re.compile(r"(?<!\d)\d{1,3}(?:,\d{3})+(?!\d)")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[\W_]+(?=\d)")
_HANZI = "零〇一二三四五六七八九十百千万亿两"
_NUMERAL = rf"[\d{_HANZI}]"
# A dash is punctuation, unless it may be a minus or a range.
_DASHES = re.compile(
    rf"(?<![—\d])—(?=\d)|(?<=[{_HANZI}])[-−–‐—:](?={_NUMERAL})|(?<=\d)[-−–‐—:](?=[{_HANZI}])"
)


def unspoken_symbols(text: str) -> list[str]:
    """List the symbols that are neither spoken nor punctuation, and that scoring therefore ignores.

    Args:
        text: A text that `speak_symbols` gave.

    Returns:
        Symbols in the order of the text, emoji and brackets included, then punctuation between
        digits, except for commas that group thousands, then dashes that may belong to a number.
    """
    text = unicodedata.normalize("NFKC", text)
    found = [c for c in text if _is_silent_symbol(c)]
    ungrouped = _GROUPED.sub(lambda match: match[0].replace(",", ""), text)
    for between in _BETWEEN_DIGITS.findall(ungrouped):
        found += [c for c in between if not _is_silent_symbol(c) and _is_mark(c)]
    return found + _DASHES.findall(text)


def _is_silent_symbol(character: str) -> bool:
    return character in _SILENT or (unicodedata.category(character)[0] == "S" and character != "`")


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"
