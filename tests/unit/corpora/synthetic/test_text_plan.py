"""Plan of the text: counts, disjoint sets and independence, without synthesis."""

from collections import Counter

import pytest

from speechmoe_espnet.corpora.synthetic.corpus_plan import Utterance, plan_style
from speechmoe_espnet.corpora.synthetic.presets import (
    PARTITIONS,
    PRESETS,
    STYLES,
    Preset,
    check_styles,
    get_preset,
)
from speechmoe_espnet.corpora.synthetic.sources import (
    frequent_characters,
    news_paragraphs,
    reviews,
)
from speechmoe_espnet.corpora.synthetic.voices import VARIANTS
from speechmoe_espnet.data.text_norm import normalize_text


@pytest.fixture(scope="module")
def small() -> dict[str, tuple[Utterance, ...]]:
    return {style: plan_style(style, PRESETS["small"], seed=0) for style in STYLES}


def texts(utterances: tuple[Utterance, ...], partition: str) -> list[str]:
    return [normalize_text(u.text) for u in utterances if u.partition == partition]


@pytest.mark.parametrize("style", STYLES)
def test_default_preset_has_the_promised_sizes(style, small):
    spoken = texts(small[style], "eval")
    assert len(spoken) >= 500
    assert sum(map(len, spoken)) >= 8000
    assert len(texts(small[style], "train")) == PRESETS["small"].train_utts
    assert 60 <= len(texts(small[style], "dev")) <= 100
    for partition in PARTITIONS:
        spoken = texts(small[style], partition)
        assert len(set(spoken)) == len(spoken)
        assert all(6 <= len(sentence) <= 40 for sentence in spoken)


def test_no_sentence_is_in_two_partitions(small):
    sentences = {
        partition: {s for style in STYLES for s in texts(small[style], partition)}
        for partition in PARTITIONS
    }
    assert not sentences["train"] & sentences["eval"]
    assert not sentences["train"] & sentences["dev"]
    assert not sentences["dev"] & sentences["eval"]


def test_no_speaker_or_voice_is_in_two_partitions(small):
    utterances = [u for style in STYLES for u in small[style]]
    speakers, variants = (
        {p: {key(u.speaker) for u in utterances if u.partition == p} for p in PARTITIONS}
        for key in (lambda s: s.name, lambda s: s.variant)
    )
    for table in (speakers, variants):
        assert not table["train"] & table["eval"]
        assert not table["train"] & table["dev"]
        assert not table["dev"] & table["eval"]
    for style in STYLES:
        counts = Counter(u.partition for u in {u.speaker.name: u for u in small[style]}.values())
        assert counts["train"] >= 60
        assert counts["eval"] >= 8


def test_variants_are_named_once():
    names = [name for partition in PARTITIONS for name in VARIANTS[partition]]
    assert len(set(names)) == len(names)


def test_evaluation_characters_are_nearly_all_in_training(small):
    trained = Counter("".join(s for style in STYLES for s in texts(small[style], "train")))
    for style in STYLES:
        spoken = Counter("".join(texts(small[style], "eval")))
        unseen = sum(count for character, count in spoken.items() if not trained[character])
        assert unseen <= 0.005 * spoken.total()


def test_speaker_id_is_a_prefix_and_ids_sort_by_speaker(small):
    for style in STYLES:
        members = sorted(small[style], key=lambda u: u.name)
        assert all(u.name.startswith(u.speaker.name + "_") for u in members)
        speakers = [u.speaker.name for u in members]
        assert speakers == sorted(speakers)


def test_plan_is_repeatable_and_another_seed_gives_another():
    tiny = PRESETS["tiny"]
    assert plan_style("spon", tiny, seed=3) == plan_style("spon", tiny, seed=3)
    assert plan_style("spon", tiny, seed=3) != plan_style("spon", tiny, seed=4)


def test_more_training_utterances_only_add_to_the_plan():
    tiny = PRESETS["tiny"]
    few = plan_style("chat", tiny, seed=0)
    more = plan_style("chat", tiny.with_train_utts(60), seed=0)
    assert set(few) < set(more)
    assert sum(u.partition == "train" for u in more) == 60


def test_training_sentences_repeat_where_the_text_is_exhausted():
    preset = Preset("x", 400, 2, 2, 0, num_characters=150, dev_speakers=2, eval_speakers=2)
    plan = plan_style("read", preset, seed=0)
    spoken = texts(plan, "train")
    assert len(spoken) == 400
    assert len(set(spoken)) < 400


def test_too_little_text_for_evaluation_is_an_error():
    preset = Preset("x", 10, 2, 500, 0, num_characters=150)
    with pytest.raises(ValueError, match=r"style read has .* eval sentences"):
        plan_style("read", preset, seed=0)


def test_styles_differ_in_text(small):
    def bigrams(style: str) -> set[str]:
        some = texts(small[style], "train")[:4800]
        return {s[i : i + 2] for s in some for i in range(len(s) - 1)}

    for style in STYLES:
        for other in STYLES[: STYLES.index(style)]:
            shared = bigrams(style) & bigrams(other)
            assert len(shared) < 0.45 * min(len(bigrams(style)), len(bigrams(other)))


def test_frequent_characters_are_those_that_one_counts():
    share = Counter()
    for lines in (news_paragraphs(), reviews()):
        counts = Counter(c for line in lines for c in line if "一" <= c <= "龥")
        for character, number in counts.items():
            share[character] += round(number / counts.total() * 10**9)
    ranking = sorted(share, key=lambda c: (-share[c], c))
    assert frequent_characters(1200) == set(ranking[:1200])


def test_frequent_characters_are_nested():
    assert "的" in frequent_characters(10)
    assert frequent_characters(600) < frequent_characters(1200)
    assert len(frequent_characters(1200)) == 1200


def test_spontaneous_speech_is_as_disfluent_in_evaluation_as_in_training(small):
    def length(partition: str) -> float:
        spoken = texts(small["spon"], partition)
        return sum(map(len, spoken)) / len(spoken)

    assert length("eval") == pytest.approx(length("train"), rel=0.04)


def test_wrong_presets_and_styles_are_named():
    with pytest.raises(ValueError, match=r"tiny, small, medium, large; got 'huge'"):
        get_preset("huge")
    with pytest.raises(ValueError, match="got news"):
        check_styles(["read", "news"])
    with pytest.raises(ValueError, match="once"):
        check_styles(["read", "read"])
    with pytest.raises(ValueError, match="train_utts must be at least 1, got 0"):
        PRESETS["tiny"].with_train_utts(0)
    assert check_styles(["aishell2", "read"]) == ["read", "aishell2"]
