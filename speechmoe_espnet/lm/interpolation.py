"""Linear interpolation of two back-off models into one, as SRILM's `ngram -mix-lm` does.

Each n-gram that one of the models has gets the mixture of both models' probabilities, and the
back-off weights follow from that all probabilities after a history add up to 1. A word that one
model lacks has probability 0 in it.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from speechmoe_espnet.data.segmentation import is_hanzi
from speechmoe_espnet.lm.arpa import NO_PROBABILITY, Ngram, NgramModel
from speechmoe_espnet.lm.vocabulary import BEGIN, END, RESERVED, UNKNOWN

_LEAST = 1e-9
_ITERATIONS = 50
_LEAST_WEIGHT = 0.05


def interpolate(first: NgramModel, second: NgramModel, weight: float) -> NgramModel:
    """Mix two models.

    Args:
        first: A model.
        second: Another model; its words may differ.
        weight: Weight of the first, above 0 and below 1.

    Returns:
        A model of the greater order of both.

    Raises:
        ValueError: The weight is not between 0 and 1.
    """
    if not 0 < weight < 1:
        raise ValueError(f"weight must be above 0 and below 1, got {weight}")
    names = {**dict.fromkeys(second.ngrams), **dict.fromkeys(first.ngrams)}
    probs: dict[Ngram, float] = {}
    for ngram in names:
        mixed = weight * _prob(first, ngram) + (1 - weight) * _prob(second, ngram)
        probs[ngram] = math.log10(mixed) if mixed > 0 else NO_PROBABILITY
    return _with_backoffs(max(first.order, second.order), probs)


def best_weight(first: NgramModel, second: NgramModel, sentences: Iterable[Sequence[str]]) -> float:
    """Choose the weight of a mixture by the likelihood of a text, as SRILM's compute-best-mix does.

    Expectation maximisation of w in w P_first + (1 - w) P_second, over the words of the text and
    its ends of sentences. No model loses all its weight to a text that may be short.

    Args:
        first: A model.
        second: Another model; its words may differ.
        sentences: Words of each sentence; those that both models lack do not count.

    Returns:
        Weight of the first, from 0.05 to 0.95; 0.5 where no word counts.
    """
    order = max(first.order, second.order)
    pairs = []
    for words in sentences:
        tokens = (BEGIN, *words, END)
        for end in range(2, len(tokens) + 1):
            ngram = tokens[max(0, end - order) : end]
            pair = _prob(first, ngram), _prob(second, ngram)
            if sum(pair):
                pairs.append(pair)
    weight = 0.5
    for _ in range(_ITERATIONS if pairs else 0):
        shares = (weight * one / (weight * one + (1 - weight) * two) for one, two in pairs)
        weight = min(max(sum(shares) / len(pairs), _LEAST_WEIGHT), 1 - _LEAST_WEIGHT)
    return weight


def limit_words(model: NgramModel, words: Collection[str]) -> NgramModel:
    """Return a model of some of its words; the probability of the others goes to `<unk>`.

    Unigrams come to add up to 1, which those of a model without the end of sentences do not.

    Args:
        model: A model.
        words: Words to keep; those of RESERVED always stay.
    """
    kept = {*words, *RESERVED}
    probs = {
        ngram: log10_prob
        for ngram, log10_prob, _ in model.entries()
        if all(word in kept for word in ngram)
    }
    unigrams = [ngram for ngram in model.ngrams if len(ngram) == 1 and ngram != (BEGIN,)]
    total = sum(10 ** model.ngrams[ngram][0] for ngram in unigrams)
    for ngram in unigrams:
        if ngram in probs:
            probs[ngram] -= math.log10(total)
    others = sum(10 ** model.ngrams[ngram][0] for ngram in unigrams if ngram[0] not in kept)
    unknown = 10 ** probs.get((UNKNOWN,), NO_PROBABILITY) + others / total
    probs[UNKNOWN,] = math.log10(max(unknown, _LEAST))
    return _with_backoffs(model.order, probs)


def likely_words(model: NgramModel, count: int) -> set[str]:
    """Return the most probable words of a model, and each single Hanzi."""
    unigrams = {ngram[0]: log10_prob for ngram, log10_prob, _ in model.entries() if len(ngram) == 1}
    most = heapq.nlargest(count, unigrams, key=unigrams.__getitem__)
    return set(most) | {word for word in unigrams if len(word) == 1 and is_hanzi(word)}


def _prob(model: NgramModel, ngram: Ngram) -> float:
    try:
        return float(10 ** model.log10_prob(ngram))
    except KeyError:
        return 0.0


def _with_backoffs(order: int, probs: Mapping[Ngram, float]) -> NgramModel:
    """Return the model of some probabilities, shorter n-grams first, with its back-off weights."""
    by_length: list[list[Ngram]] = [[] for _ in range(order)]
    for ngram in probs:
        by_length[len(ngram) - 1].append(ngram)
    while not by_length[-1]:
        by_length.pop()
    ngrams = {ngram: (probs[ngram], 0.0) for ngram in by_length[0]}
    model = NgramModel(len(by_length), ngrams)
    for longer in by_length[1:]:
        left: dict[Ngram, float] = defaultdict(lambda: 1.0)
        left_below: dict[Ngram, float] = defaultdict(lambda: 1.0)
        for ngram in longer:
            left[ngram[:-1]] -= 10 ** probs[ngram]
            left_below[ngram[:-1]] -= 10 ** model.log10_prob(ngram[1:])
        for history in left:
            ratio = max(left[history], _LEAST) / max(left_below[history], _LEAST)
            ngrams[history] = (ngrams[history][0], math.log10(ratio))
        ngrams |= {ngram: (probs[ngram], 0.0) for ngram in longer}
    if (BEGIN,) in ngrams:
        ngrams[BEGIN,] = (NO_PROBABILITY, ngrams[BEGIN,][1])
    return model
