"""Kneser-Ney estimation and entropy pruning by kaldingram, with its gaps filled.

kaldingram estimates as SRILM does with `-ukndiscount -kn-modify-counts-at-end` (back-off, one
discount per order) and prunes as SRILM's `-prune` does (Stolcke 1998, Entropy-based Pruning of
Backoff Language Models). This module changes four things:

- `<unk>`, and each character that the text has only inside words, gets the unigram count of a word
  seen after one other word. Every context then has a back-off, and every character a probability.
- Where counts of counts do not define a discount (no n-gram seen twice, as in very little text),
  the discount is `FALLBACK_DISCOUNT`; kaldingram would discount singletons entirely.
- Unigram models do not contain `<s>` as a word.
- In pruning, the context `<s>` is as probable as `</s>`. kaldingram gives it probability 0 and
  therefore prunes all words after it that start no longer n-gram.
"""

import contextlib
import gc
import math
import os
from collections.abc import Iterable, Iterator, Sequence

from kaldingram.prune import Arpa, prune
from kaldingram.train import NgramCounts

from speechmoe_espnet.lm.arpa import NO_PROBABILITY, NgramModel
from speechmoe_espnet.lm.vocabulary import BEGIN, END, UNKNOWN, check_word

MAX_ORDER = 5
FALLBACK_DISCOUNT = 0.75
_NOBODY = ""


def check_order(order: int) -> None:
    """Raise ValueError if n-grams of this length cannot be estimated."""
    if not 1 <= order <= MAX_ORDER:
        raise ValueError(f"order must be from 1 to {MAX_ORDER}, got {order}")


def check_threshold(threshold: float) -> None:
    """Raise ValueError if a pruning threshold is negative or not a number."""
    if not 0 <= threshold < math.inf:
        raise ValueError(f"prune_threshold must be a number of at least 0, got {threshold}")


def estimate(sentences: Iterable[Sequence[str]], order: int, unseen: Iterable[str] = ()) -> Arpa:
    """Estimate a Kneser-Ney model.

    Args:
        sentences: Words of each sentence.
        order: Length of the longest n-grams, 1 to 5.
        unseen: Further words of the model that the text does not contain.

    Returns:
        kaldingram's model; `to_model` converts it.

    Raises:
        ValueError: The order is not from 1 to 5, there is no sentence, or a word is not allowed
            in a model (see `vocabulary.check_word`).
    """
    check_order(order)
    with _quiet():
        counts = NgramCounts(order)
        known: set[str] = set()
        empty = True
        for sentence in sentences:
            for word in set(sentence) - known:
                check_word(word)
                known.add(word)
            counts.add_raw_counts_from_line(" ".join(sentence))
            empty = False
        if empty:
            raise ValueError("no text: a language model needs at least one sentence")
        for word in (UNKNOWN, *unseen):
            counts.add_count((), word, None if order == 1 else _NOBODY, 1)
        if order == 1:
            unigrams = counts.counts[0][()]
            unigrams.total_count -= unigrams.word_to_count.pop(BEGIN)
        counts.cal_discounting_constants()
        counts.d = [d if d < 1 else FALLBACK_DISCOUNT for d in counts.d]
        counts.cal_f()
        counts.cal_bow()
        return _to_arpa(counts)


def prune_entropy(arpa: Arpa, threshold: float) -> None:
    """Remove, in place, the n-grams that change a model least.

    Args:
        arpa: Model from `estimate`.
        threshold: Relative increase of perplexity below which an n-gram is removed; 0 keeps all.

    Raises:
        ValueError: The threshold is negative or not a number.
    """
    check_threshold(threshold)
    if threshold > 0:
        arpa.add_entry((BEGIN,), arpa.log_p_raw((END,)))
        with _quiet():
            prune(arpa, threshold, 1)
        arpa.add_entry((BEGIN,), NO_PROBABILITY)


def to_model(arpa: Arpa) -> NgramModel:
    """Convert kaldingram's model; n-grams keep their sequence.

    If pruning left no n-gram of an order, the model ends at the order before it.
    """
    ngrams = {}
    order = 1
    for length, _ in arpa.counts():
        for log10_prob, ngram, *log10_backoff in arpa._entries(length):
            ngrams[ngram] = (log10_prob, log10_backoff[0] if log10_backoff else 0.0)
            order = length
    return NgramModel(order, ngrams)


def from_model(model: NgramModel) -> Arpa:
    """Convert to kaldingram's model, the inverse of `to_model`."""
    arpa = Arpa()
    for length, count in enumerate(model.counts(), start=1):
        arpa.add_count(length, count)
    for ngram, log10_prob, log10_backoff in model.entries():
        arpa.add_entry(ngram, log10_prob, log10_backoff or None)
    return arpa


def _to_arpa(counts: NgramCounts) -> Arpa:
    arpa = Arpa()
    for length in range(1, counts.ngram_order + 1):
        arpa.add_count(length, sum(len(h.word_to_f) for h in counts.counts[length - 1].values()))
    for histories in counts.counts:
        for history, after in histories.items():
            for word, prob in after.word_to_f.items():
                backoff = after.word_to_bow[word]
                arpa.add_entry(
                    (*history, word),
                    math.log10(prob) if prob else NO_PROBABILITY,
                    math.log10(backoff) if backoff is not None else None,
                )
    if counts.ngram_order == 1:
        arpa.add_entry((BEGIN,), NO_PROBABILITY)
        arpa.update_counts()
    return arpa


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Disable progress bars, and garbage collection: the many small objects form no cycles."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            yield
    finally:
        if collecting:
            gc.enable()
