"""Marks of transcripts: known by name or shape, in any case, width and number."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.data.markup import bracketed_text, find_marks, strip_marks
from speechmoe_espnet.data.text_norm import normalize_text

NAMES = [
    "sil",
    "noise",
    "SPOKEN_NOISE",
    "laughter",
    "unk",
    "spn",
    "breath",
    "non-speech",
    "噪音",
    "笑聲",
    "嘆氣",
]
MARKS = st.one_of(
    st.sampled_from(NAMES).flatmap(
        lambda name: st.sampled_from([f"<{name}>", f"[{name}]", f"({name})", f"【{name}】"])
    ),
    st.sampled_from([name for name in NAMES if name != "sil"]).flatmap(
        lambda name: st.sampled_from([f"〔{name}〕", f"*{name}*", f"#{name}#", f"@{name}@"])
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


CONTENT = st.text(
    st.characters(exclude_characters="<>[]|&＜＞［］﹤﹥｜＆﹠", exclude_categories=["Cs"]),
    max_size=90,
)


@given(TEXTS, st.sampled_from(["<>", "[]"]), CONTENT, st.sampled_from("azAZ"), CONTENT, TEXTS)
def test_any_ascii_letter_makes_a_mark(before, brackets, left, letter, right, after):
    text = f"{before}{brackets[0]}{left}{letter}{right}{brackets[1]}{after}"
    (mark,) = find_marks(text)
    assert (mark.text[0], mark.text[-1]) == tuple(brackets)
    assert len(mark.text) == len(text) - len(before) - len(after)
    assert normalize_text(strip_marks(text, unknown=True)) == normalize_text(before + after)
    if mark.is_known:
        assert normalize_text(text) == normalize_text(before + after)
    assert bracketed_text(text) == []


@given(
    st.sampled_from(NAMES),
    st.integers(0, 3),
    st.sampled_from([("&lt;", "&gt;"), ("&#60;", "&#x3E;"), ("&lbrack;", "&rsqb;")]),
    TEXTS,
)
def test_character_references_are_what_they_stand_for(name, times, brackets, after):
    """However often something escaped them."""
    opening, closing = (bracket.replace("&", "&" + times * "amp;") for bracket in brackets)
    assert normalize_text(f"好{opening}{name}{closing}{after}") == normalize_text("好" + after)
    assert normalize_text(f"A{'&' + times * 'amp;'}T") == "AANDT"


@given(MARKS, st.sampled_from(["()", "【】", "<>", "[]", "〔〕"]), TEXTS)
def test_marks_inside_text_in_brackets_are_found(mark, brackets, after):
    """Where the text has no letter that makes the whole a mark."""
    text = f"好{brackets[0]}也叫{mark}他{brackets[1]}{after}"
    assert find_marks(text)
    stripped = strip_marks(text, unknown=True)
    assert normalize_text(stripped) in (
        normalize_text("好也叫他" + after),
        normalize_text("好" + after),
    )


def test_names_hold_no_format_characters():
    assert normalize_text("<s\u200bil>[no\u00adise]好") == "好"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("(S02)好", ["(S02)"]),
        ("（music）[嗯]", ["(music)", "[嗯]"]),
        ("(也叫<sil>他)", ["(也叫<sil>他)"]),
        ("book(s)()", ["(s)"]),
        ("#话题#<sil>*强调*", []),
    ],
)
def test_text_kept_in_brackets_is_listed(text, kept):
    assert bracketed_text(text) == kept


@pytest.mark.parametrize("piece", ["<", "[<(", "*a", "#", "&amp;", "&a", "(<[【", "<a", "{<|"])
def test_time_is_linear_in_the_length(piece):
    begun = time.process_time()
    for text in (piece * 40_000, piece * 40_000 + ">])】"):
        find_marks(text)
    # Quadratic time took minutes here.
    assert time.process_time() - begun < 10


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
