"""Symbols that are spoken, written as they are spoken.

`3.5%` is not 35, `1:30` not 130, `-5` not 5 and `C++` not C. Symbols are therefore read out before
the rest of them is removed. A number beside such a symbol is read out with it; other numbers keep
their digits:

==================================  ==========================  ==========================
Written                             Spoken                      Rule
==================================  ==========================  ==========================
``3.5`` ``1.2.3``                   三点五 一点二点三             a point between digits, or ``٫``
``35%`` ``5-10%`` ``3‰``             百分之三十五 百分之五到十 …   shares
``¥35`` ``$3.5万`` ``5€``             三十五元 三点五万美元 …       money, the unit comes last
``25℃`` ``-5°C`` ``30°``             二十五摄氏度 负五摄氏度 …     degrees
``1:30`` ``12:05:09`` ``3∶2``        一点三十分 … 三比二           times; else ratios
``2024-01-05`` ``2024/1/5``         二零二四年一月五日           dates; also ``2024/1``
``1/2`` ``½`` ``1½``                  二分之一 … 一又二分之一      fractions
``-5`` ``+5``                       负五 正五                    signs
``3-5`` ``10~20`` ``3—5``            三到五 十到二十 …            ranges, of at most four digits
``1+1=2`` ``3×4`` ``a>b`` ``10²``      一加一等于二 三乘四 …         arithmetic
``C++`` ``C#`` ``m²``                 C加加 C井 m平方              letters
``AT&T`` ``a@b.com``               AT AND T a AT b点com        beside Hanzi: 和, 艾特
==================================  ==========================  ==========================

A middle dot between digits stays silent: `3·15` is a date, said 三一五. What stays silent is
counted by `silent_symbols`.

WeTextProcessing reads more, but also all plain numbers, leaves `C++`, `&` and `@` alone, and takes
44 MB of transducers.
"""

import re
import unicodedata
from collections.abc import Callable

from speechmoe_espnet.data.hanzi_numbers import hanzi_decimal, hanzi_digits

_MAY_BE_SPOKEN = re.compile(r"[^\w\s，。！？、；“”‘’（）《》…]|[²³¹⁰⁴-⁹₀-₉㎡㎥]|[^\W\d_]?[¼-¾⅐-⅞]")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_NUM = r"(?:\d+(?:,\d{3})+|\d+)(?:\.\d+)?"
_MOST = 50
"""Operands that are read as one sum; nobody says longer ones, which take linear time, too."""
_MONEY = {"¥": "元", "€": "欧元", "£": "英镑", "₩": "韩元", "₽": "卢布"}
_DOLLARS = {"US": "美元", "HK": "港元", "NT": "新台币", "A": "澳元", "C": "加元", "S": "新元"}
_CURRENCY_NAMES = {"¥": "人民币", "$": "美元", "€": "欧元", "£": "英镑", "₩": "韩元", "₽": "卢布"}
_SHARES = {"%": "百分之", "‰": "千分之", "‱": "万分之"}
_RELATIONS = {
    "=": "等于",
    "≠": "不等于",
    "≈": "约等于",
    "≥": "大于等于",
    "≤": "小于等于",
    "×": "乘",
    "÷": "除以",
    "±": "正负",
    "√": "根号",
    "∞": "无穷大",
    "‰": "千分号",
    "%": "百分号",
    "+": "加",
}
_MINUSES = "-−–"
_MINUS = r"\-−–"  # in a character class

type _Reading = Callable[[re.Match[str]], str]


def speak_symbols(text: str) -> str:
    """Write the spoken symbols of a transcript as they are spoken.

    Args:
        text: Any string, without marks (see `markup`).

    Returns:
        The text; in compatibility form (NFKC) if it had symbols. Punctuation and white space stay.
    """
    if not _MAY_BE_SPOKEN.search(text):
        return text
    for pattern, reading in _BEFORE_NFKC:
        text = pattern.sub(reading, text)
    text = unicodedata.normalize("NFKC", text)
    text = "".join(
        str(unicodedata.decimal(c)) if not c.isascii() and unicodedata.category(c) == "Nd" else c
        for c in text
    )
    for pattern, reading in _RULES:
        text = pattern.sub(reading, text)
    if ("<" in text) != (">" in text):  # otherwise they are brackets
        text = _COMPARISON.sub(lambda match: "小于" if "<" in match[0] else "大于", text)
    return text


def _signed(number: str) -> str:
    if number and number[0] in _MINUSES:
        return "负" + hanzi_decimal(number[1:])
    return hanzi_decimal(number.removeprefix("+"))


def _vulgar_fraction(match: re.Match[str]) -> str:
    above, _, below = unicodedata.normalize("NFKC", match["fraction"]).partition(
        "\N{FRACTION SLASH}"
    )
    if not below:
        return match[0]
    spoken = f"{hanzi_decimal(below)}分之{hanzi_decimal(above)}"
    return f"{hanzi_decimal(match['whole'])}又{spoken}" if match["whole"] else spoken


def _power(match: re.Match[str]) -> str:
    exponent = match["power"].translate(_SUPERSCRIPTS)
    if not match["base"].isdecimal():
        names = {"2": "平方", "3": "立方"}
        return match["base"] + names.get(exponent, f"{hanzi_decimal(exponent)}次方")
    return f"{hanzi_decimal(match['base'])}的{hanzi_decimal(exponent)}次方"


def _date(match: re.Match[str]) -> str:
    month, day = int(match["month"]), int(match["day"] or 1)
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return match[0]
    spoken = f"{hanzi_digits(match['year'])}年{hanzi_decimal(str(month))}月"
    return spoken + (f"{hanzi_decimal(str(day))}日" if match["day"] else "")


def _time(match: re.Match[str]) -> str:
    hour, minute, second = match["hour"], match["minute"], match["second"]
    if int(hour) > 24 or int(minute) > 59 or (second and int(second) > 59):
        return match[0]
    spoken = f"{hanzi_decimal(str(int(hour)))}点"
    if second or int(minute):
        spoken += _two_digits(minute) + "分"
    return spoken + (f"{_two_digits(second)}秒" if second else "")


def _two_digits(number: str) -> str:
    return hanzi_digits(number) if number[0] == "0" else hanzi_decimal(number)


def _ratio(match: re.Match[str]) -> str:
    return "比".join(map(hanzi_decimal, match[0].replace(" ", "").split(":")))


def _share(match: re.Match[str]) -> str:
    spoken = _SHARES[match["sign"]] + hanzi_decimal(match["number"])
    if match["first"]:
        share = _SHARES[match["sign"]]
        spoken = f"{share}{hanzi_decimal(match['first'])}到{hanzi_decimal(match['number'])}"
    return ("负" if match["minus"] else "正" if match["plus"] else "") + spoken


def _money(match: re.Match[str]) -> str:
    sign, prefix = match["sign"], (match["prefix"] or "").upper()
    unit = _DOLLARS.get(prefix, "美元") if sign == "$" else _MONEY[sign]
    last = f"到{hanzi_decimal(match['last'])}" if match["last"] else ""
    minus = "负" if match["minus"] else ""
    return f"{minus}{hanzi_decimal(match['number'])}{last}{match['large'] or ''}{unit}"


def _money_after(match: re.Match[str]) -> str:
    unit = "美元" if match["sign"] == "$" else _MONEY[match["sign"]]
    first = f"{hanzi_decimal(match['first'])}到" if match["first"] else ""
    minus = "负" if match["minus"] else ""
    return f"{minus}{first}{hanzi_decimal(match['number'])}{match['large']}{unit}"


def _degrees(match: re.Match[str]) -> str:
    scale = {"C": "摄氏度", "F": "华氏度"}.get((match["scale"] or "").upper(), "度")
    first = f"{_signed(match['first'])}到" if match["first"] else ""
    return f"{first}{_signed(match['number'])}{scale}"


def _range(match: re.Match[str]) -> str:
    first, last = match["first"], match["last"]
    if max(len(first), len(last)) > 4 or first.startswith("0") or last.startswith("0"):
        return match[0]
    years = len(first) == len(last) == 4 and first[0] in "12" and last[0] in "12"
    read = hanzi_digits if years else hanzi_decimal
    return f"{read(first)}到{read(last)}"


def _arithmetic(match: re.Match[str]) -> str:
    names = {"*": "乘", "/": "除以", "<": "小于", ">": "大于", **dict.fromkeys(_MINUSES, "减")}
    return re.sub(
        rf"\s*({_NUM})\s*|\s*(.)\s*",
        lambda part: (
            hanzi_decimal(part[1]) if part[1] else names.get(part[2]) or _RELATIONS[part[2]]
        ),
        match[0],
    )


def _rule(
    pattern: str, reading: _Reading | str, flags: int = 0
) -> tuple[re.Pattern[str], _Reading]:
    if isinstance(reading, str):
        words = reading
        return re.compile(pattern, flags), lambda match: match.expand(words)
    return re.compile(pattern, flags), reading


_BEFORE_NFKC = (
    _rule("㎡", "平方米"),
    _rule("㎥", "立方米"),
    _rule(r"(?P<whole>\d*)(?P<fraction>[¼-¾⅐-⅞])", _vulgar_fraction),
    _rule(r"(?P<base>\d+|[^\W\d_])(?P<power>[⁰¹²³⁴-⁹]+)", _power),
)
# The first rule that takes a number decides; what it leaves has no digit beside a symbol.
_NOT_IN_NUMBER = r"(?<![\d.])"
_SIGN_BEFORE = r"(?<![A-Za-z0-9)\]])"
_RULES = (
    # Other characters for the same.
    _rule(r"(?<=\d)(\s?)[‐‒—―⁃]{1,2}(\s?)(?=\d)|[‐‒⁃](?=\d)", r"\1-\2"),
    _rule(r"(?<=\d)(\s?)〜(\s?)(?=\d)", r"\1~\2"),
    _rule(r"(?<=\d)(\s?)[∶꞉](\s?)(?=\d)", r"\1:\2"),
    _rule(r"(?<=\d)٫(?=\d)", "."),
    _rule(r"(?<=\d)٬(?=\d)", ","),
    # Times, dates, fractions.
    _rule(
        rf"{_NOT_IN_NUMBER}(?P<year>[12]\d{{3}})(?P<cut>[-/.])(?P<month>\d{{1,2}})(?P=cut)"
        r"(?P<day>\d{1,2})(?![\d.]*\d)",
        _date,
    ),
    _rule(
        rf"{_NOT_IN_NUMBER}(?P<year>[12]\d{{3}})/(?P<month>\d{{1,2}})(?P<day>)(?![\d/]*\d)", _date
    ),
    _rule(r"(?<![\d:.])(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?(?![:\d])", _time),
    _rule(
        rf"(?<=[日月点分秒])\s?[~{_MINUS}]\s?(?=[零一二三四五六七八九十两]{{1,4}}[年月点])", "到"
    ),
    _rule(rf"{_NUM}(?:\s?:\s?{_NUM}){{1,{_MOST}}}", _ratio),
    # Shares, money, degrees.
    _rule(
        rf"(?:{_SIGN_BEFORE}(?:(?P<minus>[{_MINUS}])|(?P<plus>\+)))?"
        rf"(?:(?P<first>{_NUM})\s?[%‰‱]?\s?[~{_MINUS}]\s?)?(?P<number>{_NUM})\s?(?P<sign>[%‰‱])",
        _share,
    ),
    _rule(
        rf"(?:{_SIGN_BEFORE}(?P<minus>[{_MINUS}]))?(?P<prefix>(?<![A-Za-z])(?:US|HK|NT|[ACS])(?=\$))?"
        rf"(?P<sign>[¥$€£₩₽])\s?(?P<number>{_NUM})(?:[~{_MINUS}](?P<last>{_NUM}))?\s?(?P<large>[千万亿]*)",
        _money,
        re.IGNORECASE,
    ),
    _rule(
        rf"(?:{_SIGN_BEFORE}(?P<minus>[{_MINUS}]))?(?:(?P<first>{_NUM})[~{_MINUS}])?(?P<number>{_NUM})"
        r"\s?(?P<large>[千万亿]*)\s?(?P<sign>[¥$€£₩₽])",
        _money_after,
    ),
    _rule(
        rf"(?:(?P<first>(?:{_SIGN_BEFORE}[{_MINUS}])?{_NUM})\s?(?:°\s?[CcFf]?)?\s?[~{_MINUS}]\s?)?"
        rf"(?P<number>(?:{_SIGN_BEFORE}[{_MINUS}+])?{_NUM})\s?°\s?(?P<scale>[CcFf](?![A-Za-z]))?",
        _degrees,
    ),
    # Arithmetic of numbers, where a relation or an operator that is nothing else shows that it is.
    _rule(
        rf"{_NUM}(?:\s?[+×÷*/{_MINUS}]\s?{_NUM}){{0,{_MOST}}}\s?[=≠≈≥≤<>]\s?{_NUM}"
        rf"(?:\s?[+×÷*/=≠≈≥≤<>{_MINUS}]\s?{_NUM}){{0,{_MOST}}}",
        _arithmetic,
    ),
    _rule(rf"{_NUM}(?:\s?[+×÷*]\s?{_NUM}){{1,{_MOST}}}", _arithmetic),
    _rule(
        r"(?<![\d/.])(?P<above>\d+)\s?[/⁄]\s?(?P<below>\d+)(?![\d/.]*\d)",
        lambda match: f"{hanzi_decimal(match['below'])}分之{hanzi_decimal(match['above'])}",
    ),
    _rule(
        rf"(?P<base>{_NUM})\^(?P<power>\d+)",
        lambda m: f"{hanzi_decimal(m[1])}的{hanzi_decimal(m[2])}次方",
    ),
    # Ranges, versions, signs, points.
    _rule(
        rf"(?<![\d.{_MINUS}A-Za-z])(?P<first>{_NUM})\s?[~{_MINUS}]\s?(?P<last>{_NUM})(?![\d.{_MINUS}])",
        _range,
    ),
    _rule(
        r"(?<![\d.])\d+(?:\.\d+){2,}",
        lambda match: "点".join(map(hanzi_digits, match[0].split("."))),
    ),
    _rule(
        rf"{_SIGN_BEFORE}[{_MINUS}](?P<number>{_NUM})", lambda match: f"负{hanzi_decimal(match[1])}"
    ),
    _rule(rf"(?<!\w)\+(?P<number>{_NUM})", lambda match: f"正{hanzi_decimal(match[1])}"),
    _rule(r"(?:\d+(?:,\d{3})+|\d+)\.\d+", lambda match: hanzi_decimal(match[0])),
    _rule(r"(?<![\w.])\.(?P<digits>\d+)", lambda match: f"点{hanzi_digits(match[1])}"),
    # Letters.
    _rule(r"\.(?=(?:com|cn|net|org|edu|gov|io|ai)(?![A-Za-z]))", "点", re.IGNORECASE),
    _rule(r"(?<=[A-Za-z])#(?!\w)", "井"),
    _rule(r"(?<=[A-Za-z0-9])\s?&\s?(?=[A-Za-z0-9])", " AND "),
    _rule(r"(?<=[A-Za-z0-9])@(?=[A-Za-z0-9])", " AT "),
    _rule("&", "和"),
    _rule("@", "艾特"),
    _rule("[=≠≈≥≤×÷±√∞‰%+]", lambda match: _RELATIONS[match[0]]),
    _rule("[¥$€£₩₽]", lambda match: _CURRENCY_NAMES[match[0]]),
    _rule(r"°\s?C(?![A-Za-z])", "摄氏度"),
    _rule(r"°\s?F(?![A-Za-z])", "华氏度"),
    _rule("°", "度"),
)
_COMPARISON = re.compile(r"(?<=[A-Za-z0-9])\s?[<>]\s?(?=[A-Za-z0-9])")
