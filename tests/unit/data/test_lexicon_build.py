import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.data.lexicon_build import build_lexicon
from speechmoe_espnet.data.segmentation import segment
from speechmoe_espnet.data.units import SyllablePhoneTokenizer


def test_observed_readings_come_first() -> None:
    sentences = ["这一行", "银行", "行长", "行不行", "他在行走", "行"]
    entries = build_lexicon(["行", "一行", "银行"], sentences).lexicon.entries
    assert entries["银行"] == (("yin2", "hang2"),)
    assert entries["行"][:2] == (("xing2",), ("hang2",))
    frequent = build_lexicon({"还": 3}, ["还给你", "我还在", "还给他", "要还给我"]).lexicon.entries
    assert set(frequent["还"]) >= {("hai2",), ("huan2",)}


def test_every_dictionary_is_used() -> None:
    entries = build_lexicon(["长", "OK", "A", "1", "花儿", "DONT", "A股"], []).lexicon.entries
    assert set(entries["长"]) == {("zhang3",), ("chang2",)}
    assert entries["OK"] == (("OW", "K", "EY"),)
    assert entries["A"] == (("EY",), ("AH",))
    assert entries["1"] == (("yi1",), ("yao1",))
    assert entries["花儿"] == (("hua1", "er5"), ("hua1", "er2"))
    assert entries["DONT"] == (("D", "OW", "N", "T"), ("D", "OW", "N"))
    assert entries["A股"] == (("EY", "gu3"),)


def test_units_bound_the_vocabulary() -> None:
    words = {"长": 5, "银行": 7, "OK": 2, "好": 1}
    build = build_lexicon(words, ["银行好", "银行"], units=["zhang3", "hao3", "OW", "hang2"])
    assert build.lexicon.entries == {"长": (("zhang3",),), "好": (("hao3",),)}
    assert build.oov == (("银行", 7), ("OK", 2))
    assert (build.num_oov, build.num_words) == (9, 15)
    assert build.num_dropped_occurrences == 2
    assert build.num_dropped == 4  # chang2, yin2 hang2, OW K EY, and hao4 of 好


def test_words_without_counts_are_counted() -> None:
    build = build_lexicon(["银行", "好"], ["银行好", "银行"], units=["hao3"])
    assert build.oov == (("银行", 2),)
    assert build.num_words == 3


def test_bound_on_pronunciations() -> None:
    free = build_lexicon(["和"], [], max_pronunciations=100)
    bound = build_lexicon(["和"], [], max_pronunciations=2)
    assert bound.lexicon.entries["和"] == free.lexicon.entries["和"][:2]
    assert bound.num_over_bound == free.lexicon.num_pronunciations - 2 > 0


@given(
    st.lists(
        st.sampled_from(["银行", "行长", "长", "花儿", "还", "了", "A", "WIFI", "1", "あ", "兙"]),
        min_size=1,
    )
)
def test_the_lexicon_does_not_depend_on_the_order_of_words(words: list[str]) -> None:
    words = list(dict.fromkeys(words))
    build = build_lexicon(words, ["银行行长还给他了"])
    assert build == build_lexicon(reversed(words), ["银行行长还给他了"])
    assert sorted(build.lexicon.entries) == sorted(words)
    assert build.num_over_bound == 0


@given(st.lists(st.text("今天去银行长还得了地一不花儿女A 1あ"), min_size=1))
def test_observed_readings_are_kept(sentences: list[str]) -> None:
    words = {word for sentence in sentences for word in segment(sentence)}
    if not words:
        return
    entries = build_lexicon(words, sentences).lexicon.entries
    for sentence in sentences:
        found = segment(sentence)
        readings = SyllablePhoneTokenizer().read_words(found)
        assert all(reading in entries[word] for word, reading in zip(found, readings, strict=True))


def test_mistakes() -> None:
    with pytest.raises(ValueError, match=r"word '<s>' is not normalised .*''"):
        build_lexicon(["好", "<s>"], [])
    with pytest.raises(ValueError, match="word 'ok' is not"):
        build_lexicon(["ok"], [])
    with pytest.raises(ValueError, match="word '' is not"):
        build_lexicon([""], [])
    with pytest.raises(ValueError, match="word 好 is listed twice"):
        build_lexicon(["好", "好"], [])
    with pytest.raises(ValueError, match="no words"):
        build_lexicon([], [])
    with pytest.raises(ValueError, match="at least 1, got 0"):
        build_lexicon(["好"], [], max_pronunciations=0)
    with pytest.raises(ValueError, match="none of the 1 words can be written"):
        build_lexicon(["好"], [], units=["好"])
