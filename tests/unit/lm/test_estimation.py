"""Kneser-Ney and entropy pruning against slow implementations of their definitions."""

import math
from collections import Counter

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from speechmoe_espnet.lm.arpa import Ngram, NgramModel
from speechmoe_espnet.lm.estimation import (
    FALLBACK_DISCOUNT,
    estimate,
    prune_entropy,
    to_model,
)
from speechmoe_espnet.lm.evaluation import highest_sum_error

SENTENCES = st.lists(st.lists(st.sampled_from("甲乙丙é"), min_size=1, max_size=6), min_size=1)
Probabilities = dict[Ngram, float]


def kneser_ney(sentences: list[list[str]], order: int) -> tuple[Probabilities, Probabilities]:
    """Discounted probabilities and back-off weights from the formulas of Kneser and Ney."""
    padded = [("<s>", *sentence, "</s>") for sentence in sentences]

    def raw(length: int) -> Counter[Ngram]:
        return Counter(s[i : i + length] for s in padded for i in range(len(s) - length + 1))

    def continuations(ngram: Ngram) -> int:
        return len({longer[0] for longer in raw(len(ngram) + 1) if longer[1:] == ngram})

    probs: Probabilities = {}
    for length in range(1, order + 1):
        counts = dict(raw(length))
        times = Counter(counts.values())
        once, twice = times[1], times[2]
        discount = max(0.1, once) / (once + 2 * twice) if once + twice else 0.1
        if discount >= 1:
            discount = FALLBACK_DISCOUNT
        if length == 1:
            discount = 0.0
        if length < order:
            counts = {
                ngram: count if length > 1 and ngram[0] == "<s>" else continuations(ngram)
                for ngram, count in counts.items()
            }
        if length == 1:
            counts["<unk>",] = 1
            if order == 1:
                del counts["<s>",]
        for ngram, count in counts.items():
            total = sum(n for other, n in counts.items() if other[:-1] == ngram[:-1])
            probs[ngram] = max(count - discount, 0) / total
    probs["<s>",] = 0.0
    backoffs = {}
    for history in {ngram[:-1] for ngram in probs if len(ngram) > 1}:
        seen = [ngram for ngram in probs if ngram[:-1] == history]
        backoffs[history] = (1 - sum(probs[ngram] for ngram in seen)) / (
            1 - sum(probs[ngram[1:]] for ngram in seen)
        )
    return probs, backoffs


@settings(max_examples=40)
@given(SENTENCES, st.integers(1, 5))
def test_model_equals_the_formulas(sentences, order):
    model = to_model(estimate(sentences, order))
    probs, backoffs = kneser_ney(sentences, order)
    if model.order < order:
        assert max(map(len, sentences)) + 2 < order
    assert set(model.ngrams) == set(probs)
    for ngram, (log10_prob, log10_backoff) in model.ngrams.items():
        assert 10**log10_prob == pytest.approx(probs[ngram], abs=1e-6)
        assert 10**log10_backoff == pytest.approx(backoffs.get(ngram, 1.0), rel=1e-5)


@settings(max_examples=60)
@given(SENTENCES, st.integers(1, 5), st.sampled_from([0, 1e-9, 1e-3, 0.05, 1, 1e9]))
def test_any_model_sums_to_one_however_much_is_pruned(sentences, order, threshold):
    arpa = estimate(sentences, order, unseen=["丁"])
    whole = to_model(arpa)
    prune_entropy(arpa, threshold)
    pruned = to_model(arpa)
    assert highest_sum_error(whole, histories=10**6)[0] < 1e-5
    assert highest_sum_error(pruned, histories=10**6)[0] < 1e-5
    assert set(pruned.ngrams) <= set(whole.ngrams)
    assert {n for n in pruned.ngrams if len(n) == 1} == {n for n in whole.ngrams if len(n) == 1}
    assert all(ngram[:-1] in pruned.ngrams for ngram in pruned.ngrams if len(ngram) > 1)
    assert pruned.ngrams["<s>",][0] == -99
    if threshold == 0:
        assert pruned == whole
    if threshold == 1e9:
        assert pruned.order == 1


def relative_growth(model: NgramModel, without: Ngram) -> float:
    """Return the increase of perplexity without one bigram, from complete distributions."""
    history = without[:-1]
    words = [ngram[0] for ngram in model.ngrams if len(ngram) == 1 and ngram != ("<s>",)]
    before = {word: 10 ** model.log10_prob((*history, word)) for word in words}
    kept = [
        ngram[-1] for ngram in model.ngrams if ngram[:-1] == history and ngram not in ((), without)
    ]
    free = 1 - sum(before[word] for word in kept)
    unigram = {word: 10 ** model.log10_prob((word,)) for word in words}
    backoff = free / (1 - sum(unigram[word] for word in kept))
    after = {word: before[word] if word in kept else backoff * unigram[word] for word in words}
    distance = sum(before[word] * math.log(before[word] / after[word]) for word in words)
    end = ("</s>",) if history == ("<s>",) else history
    return math.exp(10 ** model.log10_prob(end) * distance) - 1


@settings(max_examples=40)
@given(SENTENCES, st.sampled_from([1e-4, 1e-3, 3e-3, 1e-2, 3e-2]))
def test_pruned_bigrams_are_those_that_change_the_model_least(sentences, threshold):
    arpa = estimate(sentences, 2)
    whole = to_model(arpa)
    growth = {ngram: relative_growth(whole, ngram) for ngram in whole.ngrams if len(ngram) == 2}
    assume(all(abs(value / threshold - 1) > 1e-3 for value in growth.values()))
    prune_entropy(arpa, threshold)
    kept = {ngram for ngram in to_model(arpa).ngrams if len(ngram) == 2}
    assert kept == {ngram for ngram, value in growth.items() if value >= threshold}


def test_words_after_the_sentence_start_are_not_pruned_without_reason():
    arpa = estimate([["甲", "乙"]] * 9 + [["丙", "乙"], ["乙", "丙"]], 2)
    prune_entropy(arpa, 1e-4)
    assert ("<s>", "甲") in to_model(arpa).ngrams


def test_words_of_any_script_are_kept_as_they_are():
    words = ["中", "é", "ß", "Ж", "\u3007", "😀", "a\u0301", "\\1-grams:"]
    model = to_model(estimate([words], 3))
    assert {n[0] for n in model.ngrams if len(n) == 1} == {*words, "<s>", "</s>", "<unk>"}
    assert tuple(words[:3]) in model.ngrams


def test_unseen_words_are_as_probable_as_unknown_ones():
    for order in (1, 2):
        model = to_model(estimate([["甲", "甲"], ["乙"]], order, unseen=["丁"]))
        assert model.log10_prob(("丁",)) == model.log10_prob(("<unk>",))
        assert model.log10_prob(("丁",)) < model.log10_prob(("甲",))


def test_one_word_and_sentences_without_repetition(capfd):
    model = to_model(estimate([["甲"]], 5))
    assert model.order == 3
    assert highest_sum_error(model)[0] < 1e-6
    assert 10 ** model.log10_prob(("<s>", "甲")) == pytest.approx(1 - FALLBACK_DISCOUNT)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("sentences", "order", "message"),
    [
        ([["甲"]], 0, "order must be from 1 to 5, got 0"),
        ([["甲"]], 6, "order must be from 1 to 5, got 6"),
        ([], 2, "no text"),
        ([["甲", "<s>"]], 2, "word <s> is reserved"),
        ([["</s>"]], 2, "word </s> is reserved"),
        ([["甲 乙"]], 2, "white space"),
        ([["甲\u00a0"]], 2, "white space"),
        ([["甲", ""]], 2, "must not be empty"),
    ],
)
def test_invalid_input_is_an_error(sentences, order, message):
    with pytest.raises(ValueError, match=message):
        estimate(sentences, order)


@pytest.mark.parametrize("threshold", [-1e-9, math.inf, math.nan])
def test_invalid_threshold(threshold):
    with pytest.raises(ValueError, match="prune_threshold must be"):
        prune_entropy(estimate([["甲"]], 2), threshold)
