"""What is removed beside or between digits is spoken or counted, whatever it is."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.data.silent_symbols import unspoken_symbols
from speechmoe_espnet.data.spoken_symbols import speak_symbols
from speechmoe_espnet.data.text_norm import normalize_text
from speechmoe_espnet.data.transcripts import TextReport

NUMBERS = st.integers(0, 99999).map(str)
SEPARATORS = st.text(st.characters(categories=["P", "S"]), min_size=1, max_size=3)


def is_said_or_counted(text, silent):
    """Whether a text differs from one in scoring, or else has something in the report."""
    normalized = normalize_text(text)
    report = TextReport()
    report.note("a", text, normalized)
    return normalized != normalize_text(silent) or any(
        (report.symbols, report.marks, report.unknown_marks, report.bracketed)
    )


def test_every_punctuation_mark_and_symbol_between_digits():
    silent = [
        chr(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code))[0] in "PS"
        and not is_said_or_counted(f"3{chr(code)}5", "35")
    ]
    assert silent == []


@given(
    NUMBERS, SEPARATORS, st.sampled_from(["", " ", "\u200b"]), NUMBERS, st.text("今A，", max_size=2)
)
def test_several_between_digits(first, between, space, second, around):
    # Commas that group thousands are no other number.
    if not (set(unicodedata.normalize("NFKC", between)) == {","} and len(second) == 3):
        for text in (f"{first}{space}{between}{second}", f"{first}{between}{space}{second}"):
            assert is_said_or_counted(around + text + around, around + first + second + around)


@given(st.integers(1, 999), st.lists(st.integers(0, 999), max_size=3))
def test_commas_that_group_thousands_are_not_counted(first, groups):
    text = ",".join([str(first), *(f"{group:03d}" for group in groups)])
    assert unspoken_symbols(speak_symbols(f"共{text}元")) == []
    assert unspoken_symbols(speak_symbols(f"{text},5")) == [","]


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("#话题# 010-12345678 100km/h 好😀", ["#", "#", "/", "😀", "-"]),
        ("增长3.5%，你好——吗", []),
        ("他说——5个", []),
        ("零下—5度", ["—"]),
        ("12′30″", ["′", "′", "′"]),
        ("3·15晚会", ["·"]),
        ("(5,3)", [","]),
        ("3、5天", ["、"]),
        ("三-五天", ["-"]),
        ("1/2-3/4", ["-"]),
        ("好<sil", ["<"]),
        ("好[sil", ["["]),
        ("3 5", []),
    ],
)
def test_what_stays_silent_is_listed(text, symbols):
    assert unspoken_symbols(speak_symbols(text)) == symbols
