import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypinyin import Style, lazy_pinyin

from speechmoe_espnet.data.segmentation import segment
from speechmoe_espnet.data.syllables import dictionary_readings, is_syllable, read_hanzi

HANZI = st.text("今天去银行长了着重得地一不会还都好乐的绿率𠀀〇兙龘", min_size=1)


def read(text: str) -> str:
    return " ".join(unit for units in read_hanzi(segment(text)) for unit in units)


@given(HANZI | st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=1))
def test_pypinyin_decides_from_the_whole_run(text: str) -> None:
    text = text.replace("儿", "")
    words = segment(text)
    readings = read_hanzi(words)
    assert [len(units) for units in readings] == [len(word) for word in words]
    expected = lazy_pinyin(
        text, style=Style.TONE3, neutral_tone_with_five=True, errors=list, v_to_u=False
    )
    units = [unit for units in readings for unit in units]
    for character, unit, pinyin in zip(text, units, expected, strict=True):
        assert unit == (pinyin if is_syllable(pinyin) else character)


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("花儿", "hua1 er5"),
        ("等一会儿", "deng3 yi1 hui4 er5"),
        ("去哪儿了", "qu4 na3 er5 le5"),
        ("没事儿", "mei2 shi4 er5"),
        ("看两下儿", "kan4 liang3 xia4 er5"),
        ("聊会儿天儿", "liao2 hui4 er5 tian1 er5"),
        ("儿子", "er2 zi5"),
        ("他的儿子", "ta1 de5 er2 zi5"),
        ("二儿子", "er4 er2 zi5"),
        ("女儿", "nv3 er2"),
        ("婴儿", "ying1 er2"),
        ("少儿频道", "shao4 er2 pin2 dao4"),
        ("幼儿园", "you4 er2 yuan2"),
        ("混血儿", "hun4 xue4 er2"),
        ("看儿童节目", "kan4 er2 tong2 jie2 mu4"),
        ("儿", "er2"),
    ],
)
def test_er(text: str, units: str) -> None:
    assert read(text) == units


def test_dictionary() -> None:
    assert dictionary_readings("行")[:2] == [("xing2",), ("hang2",)]
    assert dictionary_readings("长")[:2] == [("zhang3",), ("chang2",)]
    assert dictionary_readings("银行") == [("yin2", "hang2")]
    assert dictionary_readings("花儿") == [("hua1", "er5"), ("hua1", "er2")]
    assert dictionary_readings("女儿") == [("nv3", "er2")]
    assert dictionary_readings("儿")[:2] == [("er2",), ("er5",)]
    assert dictionary_readings("兙") == [("兙",)]


@given(HANZI)
def test_dictionary_includes_the_reading_of_a_word_alone(word: str) -> None:
    found = dictionary_readings(word)
    assert found[0] == read_hanzi([word])[0]
    assert len(set(found)) == len(found)
    assert all(len(units) == len(word) for units in found)


@pytest.mark.parametrize("word", ["A", "", "银A", "1"])
def test_other_scripts_are_an_error(word: str) -> None:
    with pytest.raises(ValueError, match=f"words of Hanzi, got {re.escape(repr(word))}"):
        read_hanzi(["好", word])
    with pytest.raises(ValueError, match="words of Hanzi"):
        dictionary_readings(word)


def test_is_syllable() -> None:
    assert all(map(is_syllable, ["ma5", "nv3", "ê1", "n2", "hm5"]))
    assert not any(map(is_syllable, ["ma", "ma6", "MA1", "AA", "", "兙5", "ma1 "]))
