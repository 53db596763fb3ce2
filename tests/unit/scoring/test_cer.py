import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.scoring import alignment
from speechmoe_espnet.scoring.alignment import align, align_each
from speechmoe_espnet.scoring.cer import (
    Counts,
    UtteranceScore,
    comparable_text,
    pool,
    pool_by_speaker,
    score_texts,
)

SPEAKERS = {"a": "s1", "b": "s2", "c": "s1"}
few_letters = st.text(alphabet="今天气很好AB1", max_size=12)


def edit_distance(ref, hyp):
    row = list(range(len(hyp) + 1))
    for i, r in enumerate(ref, start=1):
        previous, row[0] = row[0], i
        for j, h in enumerate(hyp, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (r != h))
    return row[-1]


def one(ref, hyp, metric="cer"):
    return score_texts({"a": ref}, {"a": hyp}, SPEAKERS, metric=metric)[0]


@given(st.lists(st.tuples(few_letters.filter(bool), few_letters), min_size=1, max_size=5))
def test_counts_equal_an_independent_edit_distance(pairs):
    refs = {str(index): ref for index, (ref, _) in enumerate(pairs)}
    hyps = {str(index): hyp for index, (_, hyp) in enumerate(pairs)}
    scores = score_texts(refs, hyps, dict.fromkeys(refs, "s"))
    for score, (ref, hyp) in zip(scores, pairs, strict=True):
        assert score.num_errors == edit_distance(ref, hyp)
        assert score.num_chars == len(ref)
        assert len(hyp) == len(ref) - score.del_ + score.ins
    assert pool(scores).num_errors == sum(edit_distance(*pair) for pair in pairs)


@given(few_letters.filter(bool), few_letters)
def test_alignment_contains_both_texts(ref, hyp):
    pairs = align([ref], [hyp], "cer")[0]
    assert "".join(pair.ref for pair in pairs) == ref
    assert "".join(pair.hyp for pair in pairs) == hyp
    assert all((pair.ref == pair.hyp) == (pair.operation == "equal") for pair in pairs)


@given(st.lists(st.sampled_from(["ni3", "hao3", "ma1"]), min_size=1, max_size=6), st.data())
def test_syllables_are_units(ref, data):
    hyp = data.draw(st.lists(st.sampled_from(["ni3", "hao3", "bu4"]), max_size=6))
    score = one("  ".join(ref), " ".join(hyp), "ser")
    assert score.num_errors == edit_distance(ref, hyp)
    assert score.num_chars == len(ref)


def test_pooled_rate_is_jiwers_own():
    refs = {"a": "今天天气", "b": "好", "c": "北京大学"}
    hyps = {"a": "今天天启", "b": "", "c": "北京大学生"}
    counts = pool(score_texts(refs, hyps, SPEAKERS))
    assert counts.cer == pytest.approx(100 * jiwer.cer(list(refs.values()), list(hyps.values())))
    assert counts == Counts(num_utts=3, num_chars=9, sub=1, del_=1, ins=1)


def test_pooling_weighs_characters_not_utterances():
    scores = score_texts(
        {"a": "好", "b": "今天天气很好啊啊"}, {"a": "", "b": "今天天气很好啊啊"}, SPEAKERS
    )
    assert pool(scores).cer == pytest.approx(100 / 9)
    by_speaker = pool_by_speaker(scores)
    assert list(by_speaker) == ["s1", "s2"]
    assert pool(by_speaker.values()) == pool(scores)


@pytest.mark.parametrize(
    ("ref", "hyp"),
    [("好", "好"), ("你 好", "你好"), ("ＯＫ，好。", "ok好"), ("１２", "12"), ("你好", " 你　好 ")],
)
def test_texts_that_are_equal_after_normalisation(ref, hyp):
    assert one(ref, hyp).num_errors == 0


def test_line_of_one_character_counts():
    assert (one("好", "坏").sub, one("好", "").del_) == (1, 1)


def test_unknown_unit_is_one_wrong_character_of_a_hypothesis():
    assert one("今天", "今<unk>").sub == 1
    assert comparable_text("今<unk>", "cer") == "今"


def test_case_and_digits_stay_in_syllables():
    assert one("ni3 hao3", "ni3 HAO3", "ser").sub == 1


@pytest.mark.parametrize(
    ("refs", "hyps", "words"),
    [
        ({}, {}, "no utterances"),
        ({"a": "好", "b": "好"}, {"a": "好"}, "lacks utterances .* b$"),
        ({"a": "好"}, {"a": "好", "b": "好"}, "has utterances .* b$"),
        ({"a": "。"}, {"a": "好"}, "nothing is left to compare.* a$"),
        ({"d": "好"}, {"d": "好"}, "utt2spk: lacks .* d$"),
    ],
)
def test_bad_tables_name_the_utterance(refs, hyps, words):
    with pytest.raises(ValueError, match=words):
        score_texts(refs, hyps, SPEAKERS)


def test_many_missing_utterances_are_counted():
    refs = {f"u{index}": "好" for index in range(9)}
    with pytest.raises(ValueError, match=r"u0, u1, u2, u3, u4, ... \(9 in all\)"):
        score_texts(refs, {}, SPEAKERS)


def test_unknown_metric():
    with pytest.raises(ValueError, match="metric must be one of cer, ser, got 'wer'"):
        one("好", "好", "wer")


def test_jsonl_round_trip():
    score = one("今天天气", "今天启好")
    assert UtteranceScore.from_json(score.to_json(), "utts.jsonl:1") == score
    assert '"del"' in score.to_json()


@pytest.mark.parametrize("line", ["[]", '{"utt": "a"}', "{"])
def test_bad_jsonl(line):
    with pytest.raises(ValueError, match=r"utts.jsonl:1: "):
        UtteranceScore.from_json(line, "utts.jsonl:1")


def test_nothing_to_align():
    assert align([], [], "cer") == []


def test_long_lists_are_aligned_in_blocks(monkeypatch):
    refs = [f"一二{number % 7}" for number in range(10)]
    hyps = [f"一{number % 3}" for number in range(10)]
    whole = align(refs, hyps, "cer")
    monkeypatch.setattr(alignment, "_TEXTS_AT_A_TIME", 4)
    assert list(align_each(refs, hyps, "cer")) == whole
    assert list(align_each([], [], "cer")) == []
