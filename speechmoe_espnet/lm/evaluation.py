"""Evaluation of language models: perplexity of held-out text, sums of probabilities."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from speechmoe_espnet.lm.arpa import Ngram, NgramModel
from speechmoe_espnet.lm.vocabulary import BEGIN, END


@dataclass(frozen=True)
class NgramPerplexity:
    """Perplexity of a text under an n-gram model.

    Attributes:
        sentences: Sentences of the text.
        tokens: Words that the model knows.
        unknown: Words that it does not know. They are skipped, and the history starts anew after
            them, as in SRILM.
        characters: Characters of the known words.
        log10_prob: Sum of log10 probabilities over known words and ends of sentences.
    """

    sentences: int
    tokens: int
    unknown: int
    characters: int
    log10_prob: float

    @property
    def per_token(self) -> float:
        """Perplexity per word, ends of sentences counted as words."""
        return self._per(self.tokens)

    @property
    def per_character(self) -> float:
        """Perplexity per character, ends of sentences counted as characters.

        Unlike `per_token`, it is comparable between models with different words.
        """
        return self._per(self.characters)

    @property
    def unknown_rate(self) -> float:
        """Share of unknown words."""
        return self.unknown / (self.tokens + self.unknown)

    def _per(self, count: int) -> float:
        return float(10.0 ** (-self.log10_prob / (count + self.sentences)))


def perplexity(
    log10_prob: Callable[[Ngram], float], order: int, sentences: Iterable[Sequence[str]]
) -> NgramPerplexity:
    """Compute the perplexity of a text.

    Args:
        log10_prob: Returns the log10 probability of the last word after the others; raises
            KeyError if the last word is unknown.
        order: Length of the longest n-grams to look up.
        sentences: Words of each sentence, split by the model's vocabulary.

    Raises:
        ValueError: There is no sentence.
    """
    count = tokens = unknown = characters = 0
    total = 0.0
    for sentence in sentences:
        count += 1
        history: Ngram = (BEGIN,)
        for word in (*sentence, END):
            ngram = (*history, word)[-order:]
            try:
                total += log10_prob(ngram)
            except KeyError:
                unknown += 1
                history = ()
                continue
            history = ngram
            tokens += word != END
            characters += len(word) if word != END else 0
    if not count:
        raise ValueError("no text: perplexity needs at least one sentence")
    return NgramPerplexity(count, tokens, unknown, characters, total)


def highest_sum_error(model: NgramModel, histories: int = 200) -> tuple[float, Ngram]:
    """Check how far the probabilities after a history are from summing to 1.

    Args:
        model: The model.
        histories: Number of histories to check, spread over the whole model.

    Returns:
        The greatest distance of a sum from 1, and its history.
    """
    words = {ngram[0]: index for index, ngram in enumerate(n for n in model.ngrams if len(n) == 1)}
    unigrams = np.array([10.0 ** model.ngrams[(word,)][0] for word in words])
    every = [ngram[:-1] for ngram in model.ngrams if len(ngram) > 1]
    every = [first for first, second in pairwise([*every, ()]) if first != second]
    chosen = [(), *every[:: max(1, len(every) // histories)]]
    suffixes = {history[start:] for history in chosen for start in range(len(history))}
    seen: dict[Ngram, list[Ngram]] = {suffix: [] for suffix in suffixes}
    for ngram in model.ngrams:
        if ngram[:-1] in seen:
            seen[ngram[:-1]].append(ngram)
    worst, worst_history = 0.0, Ngram()
    for history in chosen:
        probs = unigrams
        for start in reversed(range(len(history))):
            suffix = history[start:]
            probs = probs * 10.0 ** model.ngrams.get(suffix, (0.0, 0.0))[1]
            for ngram in seen[suffix]:
                probs[words[ngram[-1]]] = 10.0 ** model.ngrams[ngram][0]
        distance = abs(float(probs.sum()) - 1)
        if not distance <= worst:
            worst, worst_history = distance, history
    return worst, worst_history
