import pytest
import rjieba
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.data.segmentation import is_hanzi, segment
from speechmoe_espnet.data.text_norm import normalize_text

JIEBA = rjieba.Jieba()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ""),
        ("。", ""),
        ("今天去银行，好吗？", "今天 去 银行 好 吗"),
        ("打开 wifi 热点", "打开 WIFI 热点"),
        ("ok bye", "OK BYE"),
        ("ok,bye/再见", "OK BYE 再见"),
        ("don't, it’s O'Neil", "DONT ITS ONEIL"),
        ("T-shirt e-mail", "T SHIRT E MAIL"),
        ("zero\u200bwidth", "ZEROWIDTH"),
        ("ＡＢ　ｃｄ", "AB CD"),
        ("mp3", "MP 3"),
        ("10号12点", "1 0 号 1 2 点"),
        ("二〇一〇年", "二 〇 一 〇 年"),
        ("café straße ĳ", "CAFÉ STRASSE IJ"),
        ("あの好", "あ の 好"),
        ("привет", "П Р И В Е Т"),
    ],
)
def test_words(text: str, words: str) -> None:
    assert segment(text) == words.split()


@given(st.text() | st.text("今天去银行花儿〇𠀀 aZé\u0301'-,。1２あ½ǰ㍿"))
def test_partition_of_the_normalised_text(text: str) -> None:
    words = segment(text)
    assert "".join(words) == normalize_text(text)
    assert all(words)


@given(st.lists(st.text("abcXYZ", min_size=1)), st.sampled_from([" ", "\t", ", ", " - ", "。"]))
def test_latin_words_are_kept(words: list[str], between: str) -> None:
    assert segment(between.join(words)) == [word.upper() for word in words]


@given(st.lists(st.sampled_from(["今天", "去", "银行", "wifi", "a", "1", "2", "点"])))
def test_scripts_never_mix(parts: list[str]) -> None:
    for word in segment("".join(parts)):
        kinds = {"hanzi" if is_hanzi(c) else "digit" if c.isdigit() else "latin" for c in word}
        assert len(kinds) == 1
        assert kinds != {"digit"} or len(word) == 1


@given(st.text("今天去银行一会儿花儿长春市"))
def test_long_words_are_in_the_dictionary(text: str) -> None:
    assert all(JIEBA.has_word(word) for word in segment(text) if len(word) > 1)


def test_is_hanzi() -> None:
    assert is_hanzi("银行")
    assert is_hanzi("〇")
    assert not is_hanzi("A银")
    assert not is_hanzi("")
