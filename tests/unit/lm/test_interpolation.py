"""Mixtures of two models against the sum of their probabilities, word by word."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_graph import random_grammar

from speechmoe_espnet.lm.arpa import NgramModel, read_arpa, write_arpa
from speechmoe_espnet.lm.estimation import from_model, to_model
from speechmoe_espnet.lm.interpolation import (
    best_weight,
    interpolate,
    likely_words,
    limit_words,
)
from speechmoe_espnet.lm.ngram import NgramOptions, train_ngram

WORDS = ["今天", "天气", "好", "人", "我们"]
TEXTS = ("今天天气好\n我们去公园\n" * 3, "今天人好\n人人好\n我们天天去\n" * 3)


def trained(tmp_path, number: int, order: int = 3, **options) -> NgramModel:
    """A model whose probabilities add up to 1."""
    text = tmp_path / f"text{number}.txt"
    text.write_text(TEXTS[number], encoding="utf-8")
    out = tmp_path / f"lm{number}"
    values = NgramOptions(order=order, min_count=1, prune_threshold=0, **options)
    train_ngram([text], text, values, out)
    return read_arpa(out / "lm_pruned.arpa")


def words_of(*models: NgramModel) -> list[str]:
    return sorted({ngram[0] for model in models for ngram in model.ngrams if len(ngram) == 1})


def prob(model: NgramModel, ngram: tuple[str, ...]) -> float:
    try:
        return 10 ** model.log10_prob(ngram)
    except KeyError:
        return 0.0


def total(model: NgramModel, history: tuple[str, ...]) -> float:
    return sum(prob(model, (*history, word)) for word in words_of(model) if word != "<s>")


@pytest.mark.parametrize("weight", [0.1, 0.5, 0.9])
def test_each_n_gram_has_the_mixture_and_all_add_up_to_1(tmp_path, weight) -> None:
    one, two = trained(tmp_path, 0), trained(tmp_path, 1, order=2)
    mixed = interpolate(one, two, weight)
    assert mixed.order == 3
    assert mixed.ngrams.keys() == one.ngrams.keys() | two.ngrams.keys()
    for ngram in mixed.ngrams:
        if ngram != ("<s>",):
            expected = weight * prob(one, ngram) + (1 - weight) * prob(two, ngram)
            assert prob(mixed, ngram) == pytest.approx(expected, rel=1e-6)
    for history in [(), *(ngram for ngram in mixed.ngrams if len(ngram) < 3)]:
        assert total(mixed, history) == pytest.approx(1, abs=1e-4), history


@pytest.mark.parametrize("count", [1, 3])
def test_of_some_words(tmp_path, count) -> None:
    model = trained(tmp_path, 1)
    kept = [word for word in words_of(model) if word[0] not in "<"][:count]
    limited = limit_words(model, kept)
    assert set(words_of(limited)) == {*kept, "<s>", "</s>", "<unk>"}
    for word in kept:
        assert prob(limited, (word,)) == pytest.approx(prob(model, (word,)))
    for history in [(), *(ngram for ngram in limited.ngrams if len(ngram) < limited.order)]:
        assert total(limited, history) == pytest.approx(1, abs=1e-4)


def test_unigrams_come_to_add_up_to_1() -> None:
    probs = {"<s>": 0.5, "好": 0.2, "人": 0.2, "<unk>": 0.1}
    model = NgramModel(1, {(word,): (math.log10(p), 0.0) for word, p in probs.items()})
    limited = limit_words(model, ["好"])
    assert prob(limited, ("好",)) == pytest.approx(0.4)
    assert prob(limited, ("<unk>",)) == pytest.approx(0.6)


def test_likely_words_and_every_single_hanzi() -> None:
    probs = {"今天": -1.0, "天气": -2.0, "AB": -1.5, "好": -6.0, "A": -7.0}
    model = NgramModel(1, {(word,): (value, 0.0) for word, value in probs.items()})
    assert likely_words(model, 2) == {"今天", "AB", "好"}
    assert likely_words(model, 0) == {"好"}


@pytest.mark.parametrize("weight", [0, 1, -0.1, math.nan])
def test_a_weight_that_is_none(weight) -> None:
    model = random_grammar(WORDS, 2, np.random.default_rng(0))
    with pytest.raises(ValueError, match="weight must be above 0 and below 1"):
        interpolate(model, model, weight)


@pytest.mark.parametrize("own_order", [1, 3])
def test_the_best_weight_has_the_greatest_likelihood(tmp_path, own_order) -> None:
    one, two = trained(tmp_path, 0), trained(tmp_path, 1, order=own_order)
    text = [["公园", "好"], ["我们", "去"], ["人", "人", "好", "无"]] * 2
    found = best_weight(one, two, text)

    def likelihood(weight: float) -> float:
        total = 0.0
        for words in text:
            tokens = ["<s>", *words, "</s>"]
            for end in range(2, len(tokens) + 1):
                ngram = tuple(tokens[max(0, end - 3) : end])
                mixed = weight * prob(one, ngram) + (1 - weight) * prob(two, ngram)
                total += math.log(mixed) if mixed else 0
        return total

    assert likelihood(found) >= max(map(likelihood, np.linspace(0.05, 0.95, 91)))
    assert best_weight(two, one, text) == pytest.approx(1 - found, abs=0.01)


def test_a_weight_of_no_text_and_of_one_sided_text(tmp_path) -> None:
    one, two = trained(tmp_path, 0), trained(tmp_path, 1)
    assert best_weight(one, two, []) == 0.5
    assert best_weight(one, two, [["公园"]]) > 0.9
    assert best_weight(two, one, [["公园"]] * 99) == 0.05


@settings(max_examples=30)
@given(order=st.integers(1, 4), seed=st.integers(0, 999))
def test_kaldingrams_model_and_back(order, seed) -> None:
    model = random_grammar(WORDS, order, np.random.default_rng(seed))
    back = to_model(from_model(model))
    assert (back.order, back.ngrams.keys()) == (model.order, model.ngrams.keys())
    for ngram, values in model.ngrams.items():
        assert back.ngrams[ngram] == pytest.approx(values, abs=1e-6)


def test_training_mixes_with_a_general_model(tmp_path) -> None:
    general = trained(tmp_path, 0)
    write_arpa(tmp_path / "general.arpa.gz", general)
    alone = trained(tmp_path, 1)
    options = {"mix_arpa": tmp_path / "general.arpa.gz", "mix_weight": 0.25}
    mixed = trained(tmp_path, 1, **options)
    assert {"公园", "今天天气"} <= set(words_of(mixed)) - set(words_of(alone))
    for ngram in (("我们", "去"), ("好", "</s>"), ("公园",)):
        expected = 0.25 * prob(general, ngram) + 0.75 * prob(alone, ngram)
        assert prob(mixed, ngram) == pytest.approx(expected, rel=1e-5)
    vocabulary = (tmp_path / "lm1/vocab").read_text().splitlines()
    assert "公园 0" in vocabulary
    facts = json.loads((tmp_path / "lm1/ngram.json").read_text())
    assert facts["mixed_with"]["weight"] == 0.25
    fewer = trained(tmp_path, 1, **options, mix_words=0)
    assert "公园" not in words_of(fewer)


def test_words_of_the_general_model_stay_whole(tmp_path) -> None:
    write_arpa(tmp_path / "general.arpa", trained(tmp_path, 0))
    text = tmp_path / "text1.txt"
    text.write_text("我们去公园\n我们去天安门\n", encoding="utf-8")
    values = NgramOptions(order=2, mix_arpa=tmp_path / "general.arpa")
    facts = train_ngram([text], text, values, tmp_path / "own")
    words = words_of(read_arpa(tmp_path / "own/lm_pruned.arpa"))
    assert {"公园", "天", "安", "门"} <= set(words)
    assert "天安门" not in words
    assert 0.05 <= facts["mixed_with"]["weight"] <= 0.95
    assert facts["dev"]["words_split"] == 1
