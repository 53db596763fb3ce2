"""Kneser-Ney estimation and entropy pruning: kaldingram, with what it leaves undefined defined.

kaldingram works as SRILM does with `-ukndiscount -kn-modify-counts-at-end` (back-off, one
discount an order) and prunes as SRILM's `-prune` (Stolcke 1998, Entropy-based Pruning of Backoff
Language Models). Around it:

- `<unk>` and the characters that the text never has by themselves get the unigram count of a word
  seen after one other word. So every context leaves something to back off to, and every
  character has a probability.
- Where counts of counts do not define a discount (no n-gram seen twice, as in very little text),
  it is `FALLBACK_DISCOUNT`; kaldingram would take away singletons entirely.
- Unigram models know nothing of `<s>` as a word.
- In pruning, the context `<s>` is as probable as `</s>`. kaldingram gives it the probability 0
  and so prunes all words after it that start no longer n-gram.
"""

import contextlib
import gc
import math
import os
from collections.abc import Iterable, Iterator, Sequence

from kaldingram.prune import Arpa, prune
from kaldingram.train import NgramCounts

from speechmoe_espnet.lm.arpa import NgramModel
from speechmoe_espnet.lm.vocabulary import BEGIN, END, UNKNOWN, check_word

MAX_ORDER = 5
FALLBACK_DISCOUNT = 0.75
_NO_PROBABILITY = -99.0
_NOBODY = ""


def check_order(order: int) -> None:
    """Raise ValueError where n-grams of this length cannot be estimated."""
    if not 1 <= order <= MAX_ORDER:
        raise ValueError(f"order must be from 1 to {MAX_ORDER}, got {order}")


def check_threshold(threshold: float) -> None:
    """Raise ValueError where a threshold of pruning is negative or not a number."""
    if not 0 <= threshold < math.inf:
        raise ValueError(f"prune_threshold must be a number of at least 0, got {threshold}")


def estimate(sentences: Iterable[Sequence[str]], order: int, unseen: Iterable[str] = ()) -> Arpa:
    """Estimate a Kneser-Ney model.

    Args:
        sentences: Words of each sentence.
        order: Length of the longest n-grams, 1 to 5.
        unseen: Words that the text never has but the model shall know.

    Returns:
        kaldingram's model; `to_model` converts it.

    Raises:
        ValueError: The order is not from 1 to 5, there is no sentence, or a word cannot stand in
            a model (see `vocabulary.check_word`).
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
    """Take out of a model, in place, the n-grams whose loss changes it least.

    Args:
        arpa: What `estimate` returned.
        threshold: Relative growth of perplexity below which an n-gram is taken out; 0 keeps
            all.

    Raises:
        ValueError: The threshold is negative or not a number.
    """
    check_threshold(threshold)
    if threshold > 0:
        arpa.add_entry((BEGIN,), arpa.log_p_raw((END,)))
        with _quiet():
            prune(arpa, threshold, 1)
        arpa.add_entry((BEGIN,), _NO_PROBABILITY)


def to_model(arpa: Arpa) -> NgramModel:
    """Convert kaldingram's model; n-grams stay in its order.

    A model pruned until no n-gram of an order is left ends at the order before.
    """
    ngrams = {}
    order = 1
    for length, _ in arpa.counts():
        for log10_prob, ngram, *log10_backoff in arpa._entries(length):
            ngrams[ngram] = (log10_prob, log10_backoff[0] if log10_backoff else 0.0)
            order = length
    return NgramModel(order, ngrams)


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
                    math.log10(prob) if prob else _NO_PROBABILITY,
                    math.log10(backoff) if backoff is not None else None,
                )
    if counts.ngram_order == 1:
        arpa.add_entry((BEGIN,), _NO_PROBABILITY)
        arpa.update_counts()
    return arpa


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars, and no searches for cycles, which the many small objects never form."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            yield
    finally:
        if collecting:
            gc.enable()
