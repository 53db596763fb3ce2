import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.data.text_norm import normalize_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("你好，吗？", "你好吗"),
        ("ＡＢｃ１２", "ABC12"),
        ("ok bye", "OKBYE"),
        ("打开 WiFi 。", "打开WIFI"),
        ("1+1=２", "一加一等于二"),
        ("٣", "3"),
        ("你\u200b好\u3000啊\u2028", "你好啊"),
        ("1\ufe0f\u20e3", "1"),
        ("二〇一〇年", "二〇一〇年"),
        ("don't", "DONT"),
        ("…《红楼梦》——", "红楼梦"),
        ("e-\u0301", "É"),
        ("straße", "STRASSE"),
        ("\ud800好", "好"),
        ("<noise>[嗯]", "嗯"),
    ],
)
def test_rule(text: str, expected: str) -> None:
    assert normalize_text(text) == expected


@given(st.text(st.characters()))
def test_idempotent_and_spaceless(text: str) -> None:
    result = normalize_text(text)
    assert normalize_text(result) == result
    assert not any(character.isspace() for character in result)


@given(st.text("eEa-,\u0301\u0327\u0345 ǰŉıİßΐ½ⅷ好"))
def test_idempotent_for_difficult_unicode(text: str) -> None:
    result = normalize_text(text)
    assert normalize_text(result) == result


def test_every_character_alone() -> None:
    for code in range(sys.maxunicode + 1):
        result = normalize_text(chr(code))
        assert normalize_text(result) == result
        # White space keeps a text from the short cut for plain ones.
        assert normalize_text(f"{chr(code)} ") == result
        assert not result or not any(character.isspace() for character in result)


@given(st.text("你好AB1"), st.text("你好AB1"))
def test_white_space_never_counts(left: str, right: str) -> None:
    assert normalize_text(f" {left} \t{right}\n") == left + right
