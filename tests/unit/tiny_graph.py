"""A tiny lexicon and grammar, with the expected results of searches by brute force."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.data.lexicon import Lexicon
from speechmoe_espnet.data.tokens import TokenList
from speechmoe_espnet.decode.graph.build import build_graph
from speechmoe_espnet.decode.graph.directory import Graph
from speechmoe_espnet.lm.arpa import NgramModel, write_arpa

TOKENS = TokenList(("<blank>", "<unk>", "a1", "b2", "c3", "<sos/eos>"))
Pronunciations = Mapping[str, Sequence[tuple[str, ...]]]
# Homophones (甲 and 乙), a prefix of another word (甲 and 甲丙), two pronunciations (丙).
LEXICON: dict[str, tuple[tuple[str, ...], ...]] = {
    "甲": (("a1",),),
    "乙": (("a1",),),
    "丙": (("b2",), ("c3",)),
    "甲丙": (("a1", "b2"),),
    "双": (("a1", "a1"),),
}


def random_grammar(words: Sequence[str], order: int, rng: np.random.Generator) -> NgramModel:
    """A random back-off model; an exact search does not need probabilities that sum to one."""
    known = [("<s>",), *((word,) for word in words), ("</s>",)]
    ngrams = {ngram: (-float(rng.uniform(0.1, 2)), -float(rng.uniform(0, 1))) for ngram in known}
    ngrams["<s>",] = (-99.0, -float(rng.uniform(0, 1)))
    longer = known
    for length in range(2, order + 1):
        candidates = [
            (*history, *last)
            for history in longer
            for last in known
            if history[-1] != "</s>" and last != ("<s>",) and (*history, *last)[1:] in ngrams
        ]
        longer = [ngram for ngram in candidates if rng.random() < 0.5]
        for ngram in longer:
            backoff = -float(rng.uniform(0, 1)) if length < order and ngram[-1] != "</s>" else 0.0
            ngrams[ngram] = (-float(rng.uniform(0.1, 2)), backoff)
    ngrams["</s>",] = (ngrams["</s>",][0], 0.0)
    used = max(map(len, ngrams))
    ngrams = {
        ngram: (prob, 0.0 if len(ngram) == used else backoff)
        for ngram, (prob, backoff) in ngrams.items()
    }
    return NgramModel(used, ngrams)


def make_graph(folder: Path, model: NgramModel, lexicon: Pronunciations = LEXICON) -> Graph:
    """Build a graph from a grammar."""
    write_arpa(folder / "lm.arpa", model)
    built = build_graph(lexicon, folder / "lm.arpa", TOKENS.tokens)
    entries = {word: tuple(units) for word, units in lexicon.items()}
    return Graph(built.fst, built.words, Lexicon(entries), TOKENS)


def graph_log_prob(model: NgramModel, words: Sequence[str]) -> float:
    """Natural log-probability of a sentence on its best path through the back-off arcs."""

    def best(history: tuple[str, ...], rest: tuple[str, ...]) -> float:
        if not rest:
            return 0.0
        history = history[-(model.order - 1) :] if model.order > 1 else ()
        found = model.ngrams.get((*history, rest[0]))
        score = -math.inf
        if found is not None:
            score = found[0] + best((*history, rest[0]), rest[1:])
        if history:
            backoff = model.ngrams.get(history, (0.0, 0.0))[1]
            score = max(score, backoff + best(history[1:], rest))
        return score

    return math.log(10) * best(("<s>",), (*words, "</s>"))


def best_frame_paths(log_probs: NDArray[np.float32]) -> dict[tuple[int, ...], float]:
    """Return the best path of every unit sequence, over all paths of frames (T, V)."""
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        units = tuple(unit for unit, _ in itertools.groupby(path) if unit)
        score = float(sum(log_probs[frame, unit] for frame, unit in enumerate(path)))
        found[units] = max(found.get(units, -math.inf), score)
    return found


def all_sentences(
    log_probs: NDArray[np.float32], lexicon: Pronunciations = LEXICON
) -> Iterator[tuple[tuple[str, ...], tuple[int, ...], float]]:
    """Yield words, units and acoustic log-probability of all sentences for the frames."""
    ids = {token: number for number, token in enumerate(TOKENS.tokens)}
    acoustic = best_frame_paths(log_probs)
    said = [
        (word, tuple(ids[unit] for unit in units))
        for word, pronunciations in lexicon.items()
        for units in pronunciations
    ]
    for length in range(len(log_probs) + 1):
        for sentence in itertools.product(said, repeat=length):
            units = tuple(unit for _, part in sentence for unit in part)
            if units in acoustic:
                yield tuple(word for word, _ in sentence), units, acoustic[units]
