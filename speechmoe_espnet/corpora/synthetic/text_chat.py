"""Sentences of the chat style: dialogues of a package, phrase patterns, remarks to someone."""

from collections.abc import Iterator

import numpy as np

from speechmoe_espnet.corpora.synthetic.chat_phrases import OPENERS, PATTERNS, SLOTS, TAGS
from speechmoe_espnet.corpora.synthetic.grammar import Sentence, choose, expand
from speechmoe_espnet.corpora.synthetic.randomness import rng_for
from speechmoe_espnet.corpora.synthetic.sources import MAX_CHARS, dialogue_sentences
from speechmoe_espnet.corpora.synthetic.text_spon import remark_sentences
from speechmoe_espnet.data.text_norm import normalize_text

_MAX_TURNS = 1_000_000
_SHARE_OF_PATTERNS = 0.6
_MIN_CHARS = 6


def chat_sentences(num_characters: int, seed: int) -> Iterator[Sentence]:
    """Yield dialogue turns; turns may repeat.

    Args:
        num_characters: Size of the inventory of Hanzi in turns from packages.
        seed: Decides the order and the patterns' words.
    """
    remarks, _ = remark_sentences(num_characters)
    remarks += dialogue_sentences(num_characters)
    order = iter(rng_for(seed, "chat", "order").permutation(len(remarks)))
    for index in range(_MAX_TURNS):
        rng = rng_for(seed, "chat", "text", index)
        if rng.random() < _SHARE_OF_PATTERNS:
            turn = _turn(rng)
            yield Sentence(turn, turn)
        elif (remark := next(order, None)) is not None:
            yield Sentence(remarks[remark], remarks[remark])


def _turn(rng: np.random.Generator) -> str:
    while True:
        turn = expand(choose(rng, PATTERNS), SLOTS, rng)
        if rng.random() < 0.45:
            turn = choose(rng, OPENERS) + turn
        if rng.random() < 0.3:
            turn += choose(rng, TAGS)
        if len(normalize_text(turn)) < 11 and rng.random() < 0.7:
            turn += "，" + expand(choose(rng, PATTERNS), SLOTS, rng)
        if _MIN_CHARS <= len(normalize_text(turn)) <= MAX_CHARS:
            return turn
