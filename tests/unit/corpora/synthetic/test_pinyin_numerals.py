"""Numbers and pronunciation, by properties."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmoe_espnet.corpora.synthetic.numerals import read_out_numbers
from speechmoe_espnet.corpora.synthetic.pinyin import to_espeak
from speechmoe_espnet.corpora.synthetic.sources import frequent_characters
from speechmoe_espnet.data.hanzi_numbers import hanzi_digits, hanzi_number

HANZI = sorted(frequent_characters(2000))
WORD = re.compile(r"\[\[.*\]\]|[a-z]+[1-5]|[,.?!]")
VALUES = dict(zip("零一二三四五六七八九", range(10), strict=True))
UNITS = {"十": 10, "百": 100, "千": 1000}


def value_of(text: str) -> int:
    """Parse a Hanzi number, independently of the writer."""
    total = group = 0
    digit: int | None = None
    for character in text:
        if character in VALUES:
            digit = VALUES[character]
        elif character in UNITS:
            group += (1 if digit is None else digit) * UNITS[character]
            digit = None
        else:
            total = (total + group + (digit or 0)) * (10**8 if character == "亿" else 1)
            if character == "万":
                total = total // 10**8 * 10**8 + total % 10**8 * 10**4
            group, digit = 0, None
    return total + group + (digit or 0)


@given(st.integers(0, 10**12 - 1))
def test_numbers_read_back(value):
    assert value_of(hanzi_number(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "零"),
        (10, "十"),
        (15, "十五"),
        (101, "一百零一"),
        (110, "一百一十"),
        (1001, "一千零一"),
        (10203, "一万零二百零三"),
        (100000, "十万"),
        (20000015, "二千万零一十五"),
        (100000001, "一亿零一"),
    ],
)
def test_numbers_by_example(value, text):
    assert hanzi_number(value) == text


def test_numbers_out_of_range():
    with pytest.raises(ValueError, match="got -1"):
        hanzi_number(-1)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("1998年1月", "一九九八年一月"),
        ("有25人", "有二十五人"),
        ("第007号", "第零零七号"),
        ("涨了3.5%", None),
        ("增长5%", None),
        ("P37页", None),
        ("没有数字", "没有数字"),
    ],
)
def test_numbers_in_sentences(text, spoken):
    assert read_out_numbers(text) == spoken


def test_digits():
    assert hanzi_digits("1207") == "一二零七"


@settings(max_examples=200)
@given(st.lists(st.sampled_from([*HANZI, "，"]), min_size=1, max_size=20))
def test_each_character_becomes_one_syllable_or_pause(characters):
    words = to_espeak("".join(characters)).split(" ")
    assert len(words) == len(characters)
    for character, word in zip(characters, words, strict=True):
        assert WORD.fullmatch(word), (character, word)
        assert (character == "，") == (word == ",")


def test_polyphones_follow_their_context():
    assert "hang2" in to_espeak("银行")
    assert "xing2" in to_espeak("旅行")
    assert to_espeak("你好").startswith("ni2 hao3")


def test_syllables_that_the_voice_lacks_are_respelled():
    assert to_espeak("嗯") == "en2"
    assert to_espeak("熊") == "[[S;'i35ong]]"
    assert to_espeak("KTV") == "kei4 ti4 wei1"


def test_a_character_without_reading_is_an_error():
    with pytest.raises(ValueError, match="no reading for"):
        to_espeak("好★")
