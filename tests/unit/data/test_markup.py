"""Marks of transcripts: known by name or shape, in any case, width and number."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.data.markup import find_marks, strip_marks
from speechmoe_espnet.data.text_norm import normalize_text

NAMES = ["sil", "noise", "SPOKEN_NOISE", "laughter", "unk", "spn", "breath", "non-speech", "噪音"]
MARKS = st.one_of(
    st.sampled_from(NAMES).flatmap(
        lambda name: st.sampled_from([f"<{name}>", f"[{name}]", f"({name})", f"【{name}】"])
    ),
    st.sampled_from(["FIL", "SPK", "ENS", "NPS", "UNK", "s", "/s", "sos/eos", "blank"]).flatmap(
        lambda name: st.sampled_from([f"<{name}>", f"[{name}]"])
    ),
    st.text("%-$#_*+?!~", min_size=1, max_size=3).flatmap(
        lambda name: st.sampled_from([f"<{name}>", f"[{name}]"])
    ),
    st.text("abcXYZ_09笑好 ", max_size=8).map(lambda name: f"{{{name}}}"),
    st.text("abcXYZ_09-", max_size=8).map(lambda name: f"<|{name}|>"),
)
WIDE = str.maketrans({code: code + 0xFEE0 for code in range(0x21, 0x7F)})
TEXTS = st.text("今天天气好银行WIFIabc 12，。", max_size=6)


@given(st.lists(st.tuples(TEXTS, MARKS), min_size=1, max_size=4), TEXTS, st.data())
def test_known_marks_vanish_and_are_counted(parts, end, data):
    def shape(mark):
        wanted = data.draw(st.sampled_from([str, str.upper, str.lower, str.title]))(mark)
        # Signs of full width are punctuation of their own, not a mark's.
        return wanted.translate(WIDE) if data.draw(st.booleans()) else wanted

    marks = [shape(mark) for _, mark in parts]
    text = "".join(words + mark for (words, _), mark in zip(parts, marks, strict=True)) + end
    plain = "".join(words for words, _ in parts) + end
    assert normalize_text(text) == normalize_text(plain), text
    found = find_marks(text)
    assert [unicodedata.normalize("NFKC", mark.text) for mark in found] == [
        unicodedata.normalize("NFKC", mark) for mark in marks
    ]
    assert all(mark.is_known for mark in found)


@given(TEXTS, st.from_regex(r"[a-wyzA-WYZ]{4,8}q", fullmatch=True), TEXTS)
def test_marks_with_unknown_names_are_found_and_kept(before, name, after):
    for mark in (f"<{name}>", f"[{name}]", f"</{name}>"):
        text = before + mark + after
        assert [(found.text, found.is_known) for found in find_marks(text)] == [(mark, False)]
        assert normalize_text(text) == normalize_text(before + name + after)
        assert normalize_text(strip_marks(text, unknown=True)) == normalize_text(before + after)


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("[嗯]好", "嗯好"),
        ("<红楼梦>", "红楼梦"),
        ("(也叫)他", "也叫他"),
        ("book(s)", "BOOKS"),
        ("[1]好", "1好"),
        ("5<7>3", "五小于七大于三"),
        ("<noise type='door'>好", "好"),
        ("好<noise", "好NOISE"),
        ("((笑))", ""),
    ],
)
def test_text_in_brackets_is_text(text, normalized):
    assert normalize_text(text) == normalized
    assert all(mark.is_known for mark in find_marks(text))
