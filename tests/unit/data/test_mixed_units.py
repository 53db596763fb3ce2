"""Units of mixed-script text, against the algorithm of WeNet's compute-wer."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.data.mixed_units import is_word, mixed_units
from speechmoe_espnet.data.text_norm import normalize_text

WORDS = st.sampled_from(["wifi", "OK", "don't", "e-mail", "app2", "12", "今天", "银行", "〇", "あ"])


def as_compute_wer(text: str) -> list[str]:
    """Tokens as compute-wer's `characterize` finds them, upper case, without punctuation."""
    tokens, position = [], 0
    while position < len(text):
        character = text[position]
        if character in "，。？！" or character.isspace():
            position += 1
        elif unicodedata.category(character) in ("Lo", "Nl"):
            tokens.append(character)
            position += 1
        else:
            end = position + 1
            while end < len(text) and ord(text[end]) < 128 and not text[end].isspace():
                end += 1
            tokens.append(text[position:end].upper())
            position = end
    return tokens


@given(st.lists(st.tuples(WORDS, st.sampled_from(["", " ", "，", "。 "])), max_size=8))
def test_the_units_are_compute_wers(parts):
    text = "".join(word + cut for word, cut in parts)
    expected = [token.replace("'", "").replace("-", "") for token in as_compute_wer(text)]
    assert mixed_units(text) == expected


@given(st.text(max_size=12) | st.text("今WIfi -'.,é\u0301，1", max_size=12))
def test_joined_they_are_the_normalised_text(text):
    units = mixed_units(text)
    assert "".join(units) == normalize_text(text)
    assert all(unit.split() == [unit] for unit in units)


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("打开 wifi 密码", ["打", "开", "WIFI", "密", "码"]),
        ("ok bye", ["OK", "BYE"]),
        ("ok,bye", ["OK", "BYE"]),
        ("U.S.的", ["US", "的"]),
        ("<noise>hello[sil]world", ["HELLO", "WORLD"]),
        ("3.5%", ["百", "分", "之", "三", "点", "五"]),
    ],
)
def test_examples(text, units):
    assert mixed_units(text) == units


def test_words_have_letters():
    assert [is_word(unit) for unit in ("WIFI", "好", "12", "A1", "あ")] == [
        True,
        False,
        False,
        True,
        False,
    ]
