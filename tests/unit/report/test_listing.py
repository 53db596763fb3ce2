from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.report.listing import (
    MAX_COLUMNS,
    aligned_rows,
    display_width,
    error_listing,
    pad,
    worst_first,
)
from speechmoe_espnet.scoring.alignment import align
from speechmoe_espnet.scoring.cer import score_texts

mixed = st.text(alphabet="今天气很好AB1�", max_size=80)


def scores_of(pairs):
    refs = {f"u{index}": ref for index, (ref, _) in enumerate(pairs)}
    hyps = {f"u{index}": hyp for index, (_, hyp) in enumerate(pairs)}
    return score_texts(refs, hyps, dict.fromkeys(refs, "s"))


def test_display_width():
    assert [display_width(text) for text in ("", "A", "好", "Ａ", "A好", "e\u0301")] == [
        0, 1, 2, 2, 3, 1,
    ]  # fmt: skip


@given(st.text(alphabet="今A", max_size=4), st.integers(8, 12))
def test_pad_fills_columns(text, width):
    assert display_width(pad(text, width)) == width


@given(mixed, mixed)
def test_rows_line_up_and_fit(ref, hyp):
    pairs = align([ref], [hyp], "cer")[0]
    rows = aligned_rows(pairs)
    assert len(rows) % 3 == 0
    for row in rows:
        assert display_width(row) <= MAX_COLUMNS + len("  ref  ")
    kept = "".join(row[7:] for row in rows[0::3]).replace("＊", "").replace("*", "")
    assert kept.replace("\u3000", "").replace(" ", "") == ref


def test_marks_stand_under_their_characters():
    ref, hyp, marks = aligned_rows(align(["今天天气很好的人"], ["今天天启很好啊的"], "cer")[0])
    assert ref == "  ref  今天天气很好＊的人"
    assert hyp == "  hyp  今天天启很好啊的＊"
    assert marks == "       　　　Ｓ　　Ｉ　Ｄ"


def test_worst_comes_first_and_correct_utterances_are_left_out():
    scores = scores_of([("好", "坏"), ("今天天气好", "昨日天气坏"), ("对", "对"), ("不好", "不坏")])
    assert [score.utt for score in worst_first(scores)] == ["u1", "u0", "u3"]
    listing = error_listing(scores, "cer")
    assert listing.startswith("3 of 4 utterances have errors.")
    assert "u1 (s): 60.0 %, 3 errors in 5 characters (S 3, D 0, I 0)" in listing


def test_syllables_are_spaced():
    pairs = align(["ni3 hao3"], ["ni3"], "ser")[0]
    assert aligned_rows(pairs, separator=" ")[:2] == ["  ref  ni3 hao3", "  hyp  ni3 ****"]


def test_no_errors():
    assert error_listing(scores_of([("好", "好")]), "cer").startswith("0 of 1 utterances")


def test_what_is_counted_can_be_named():
    scores = score_texts({"a": "ni3 AH0"}, {"a": "ni3"}, {"a": "s"}, metric="ser")
    assert "1 errors in 2 syllables" in error_listing(scores, "ser")
    assert "1 errors in 2 units" in error_listing(scores, "ser", unit="units")
