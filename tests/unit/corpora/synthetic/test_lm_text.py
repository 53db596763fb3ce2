"""Language model text: no evaluation sentence, much other text, reproducible."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.corpora.synthetic.corpus_plan import Utterance
from speechmoe_espnet.corpora.synthetic.generate import plan_corpus
from speechmoe_espnet.corpora.synthetic.lm_text import (
    LM_TEXT,
    HeldOut,
    lm_sentences,
    write_lm_text,
)
from speechmoe_espnet.corpora.synthetic.presets import PRESETS, STYLES
from speechmoe_espnet.data.text_norm import normalize_text

STYLE_LIST = list(STYLES)
PRESET = dataclasses.replace(PRESETS["small"], train_utts=400, lm_written=2500, lm_made=2500)
SEEDS = (0, 1)


@pytest.fixture(scope="module")
def plans() -> dict[int, tuple[Utterance, ...]]:
    return {seed: plan_corpus(STYLE_LIST, PRESET, seed) for seed in SEEDS}


@pytest.fixture(scope="module")
def written(plans) -> dict[int, list[str]]:
    return {seed: list(lm_sentences(STYLES, plans[seed], PRESET, seed)) for seed in SEEDS}


@pytest.mark.parametrize("seed", SEEDS)
def test_no_line_holds_a_development_or_evaluation_sentence(seed, plans, written):
    held_out = {normalize_text(u.text) for u in plans[seed] if u.partition != "train"}
    assert len(held_out) > 2000
    text = "\n".join(map(normalize_text, written[seed]))
    assert [sentence for sentence in held_out if sentence in text] == []


@pytest.mark.parametrize("seed", SEEDS)
def test_transcripts_and_as_many_other_sentences_as_asked(seed, plans, written):
    text = [normalize_text(sentence) for sentence in written[seed]]
    assert all(text)
    transcripts = {normalize_text(u.text) for u in plans[seed] if u.partition == "train"}
    kept = len(transcripts & set(text))
    assert 0.95 * len(transcripts) < kept
    extra = len(text) - kept
    assert extra == pytest.approx(4 * 2500, abs=len(text) - len(set(text)))


def test_a_held_out_sentence_among_the_transcripts_is_left_out(plans):
    planned = next(u for u in plans[0] if u.partition == "eval" and u.style == "read")
    longer = "他说，" + planned.text + "吧"
    plant = dataclasses.replace(planned, partition="train", text=longer)
    none = dataclasses.replace(PRESET, lm_written=0)
    assert list(lm_sentences(["read"], [plant], none, 0)) == [longer]
    assert list(lm_sentences(["read"], [plant, planned], none, 0)) == []


def test_a_held_out_sentence_among_the_others_is_left_out():
    few = dataclasses.replace(PRESET, lm_written=50, lm_made=50)
    train = dataclasses.replace(plan_corpus(["chat"], PRESETS["tiny"], 0)[0], partition="train")
    for style in STYLES:
        member = dataclasses.replace(train, style=style)
        before = [s for s in lm_sentences([style], [member], few, 3) if s != member.text]
        assert len(before) == 50
        planted = dataclasses.replace(member, partition="dev", text=before[7])
        after = list(lm_sentences([style], [member, planted], few, 3))
        assert normalize_text(before[7]) not in "\n".join(map(normalize_text, after))
        assert set(before) - set(after) >= {before[7]}


def test_reviews_of_evaluation_are_not_in_it_with_other_fillers(plans, written):
    from speechmoe_espnet.corpora.synthetic.randomness import partition_of
    from speechmoe_espnet.corpora.synthetic.text_spon import remark_sentences

    _, reviews = remark_sentences(PRESET.num_characters)
    plain = {normalize_text(review) for review in reviews}
    lines = [normalize_text(sentence) for sentence in written[0]]
    unchanged = [line for line in lines if line in plain]
    assert len(unchanged) > 200
    assert {partition_of(line) for line in unchanged} == {"train"}


def test_text_is_not_the_training_text_again(plans, written):
    spoken = {u.text for u in plans[0] if u.partition == "train"}
    assert sum(sentence in spoken for sentence in written[0]) < 0.2 * len(written[0])
    assert written[0] != written[1]


def test_written_file_is_repeatable(tmp_path):
    tiny = PRESETS["tiny"]
    plan = plan_corpus(STYLE_LIST, tiny, 5)
    contents = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        lines, chars = write_lm_text(STYLES, plan, tiny, 5, tmp_path / name)
        contents.append((tmp_path / name / LM_TEXT).read_text(encoding="utf-8"))
    assert contents[0] == contents[1]
    assert contents[0].endswith("\n")
    assert lines == len(contents[0].splitlines()) > 1000
    assert chars == len(normalize_text(contents[0]))


hanzi = st.text(alphabet="甲乙丙", max_size=9)


@given(held_out=st.lists(hanzi.filter(bool), max_size=5), text=hanzi)
def test_search_equals_substring_search_for_each_sentence(held_out, text):
    assert HeldOut(held_out).is_in(text) == any(sentence in text for sentence in held_out)


@given(before=hanzi, after=hanzi, sentence=hanzi.filter(bool))
def test_planted_sentence_is_found_through_punctuation(before, after, sentence):
    spread = "，".join(sentence)
    assert HeldOut([sentence, "一二三四五六七八"]).is_in(f"{before}。{spread}！{after}")


def test_held_out_sentence_without_characters_is_an_error():
    with pytest.raises(ValueError, match="'，' is empty after normalisation"):
        HeldOut(["你好", "，"])


def test_unknown_style_is_named(plans):
    with pytest.raises(ValueError, match="got news"):
        next(lm_sentences(["news"], plans[0], PRESET, 0))
