"""Sentences of the spon style: reviews with fillers, repetitions and restarts."""

import re
from collections.abc import Iterator

import numpy as np

from speechmoe_espnet.corpora.synthetic.grammar import Sentence, choose
from speechmoe_espnet.corpora.synthetic.randomness import rng_for
from speechmoe_espnet.corpora.synthetic.sources import (
    dialogue_sentences,
    news_sentences,
    review_sentences,
)
from speechmoe_espnet.data.text_norm import normalize_text

_START = (
    *("嗯，", "那个，", "嗯，那个，", "就是，", "就是说，", "怎么说呢，", "反正，", "其实吧，"),
    *("然后呢，", "这个，", "我觉得吧，", "你知道吗，", "说实话，", "对，", "啊，"),
)
_INSIDE = ("嗯，", "那个，", "就是，", "这个，", "怎么说，", "啊，")
_END = ("吧", "啊", "呢", "嘛", "，是吧", "，真的", "，对吧", "，嗯")
_REPEATABLE = re.compile("[我你他她这那就也都还很不是有在没对但最太真再要会能](?!，)")
_FINAL_PARTICLE = re.compile("[吧啊呢嘛吗呀哦了的]$")
_PERSONAL = re.compile("[我你您咱].*[吗吧呢啊呀]$|[你您咱]")


def remark_sentences(num_characters: int) -> tuple[list[str], list[str]]:
    """Split the sentences of reviews into those that address someone and the others.

    Args:
        num_characters: Size of the inventory of Hanzi.

    Returns:
        Sentences that address someone (chat style), and all others (spon style).
    """
    personal: list[str] = []
    others: list[str] = []
    for sentence in review_sentences(num_characters):
        (personal if _PERSONAL.search(sentence) else others).append(sentence)
    return personal, others


def spon_sentences(num_characters: int, seed: int) -> Iterator[Sentence]:
    """Yield sentences of reviews, made colloquial.

    The original sentence decides the partition, so no evaluation utterance is a training utterance
    with another filler. A result that equals a sentence of another source is skipped, since that
    sentence may belong to another partition.

    Args:
        num_characters: Size of the inventory of Hanzi in the reviews; fillers may contain others.
        seed: Decides the order and the disfluencies.
    """
    _, pool = remark_sentences(num_characters)
    sources = (news_sentences, review_sentences, dialogue_sentences)
    written = {normalize_text(s) for source in sources for s in source(num_characters)}
    for index in rng_for(seed, "spon", "order").permutation(len(pool)):
        rng = rng_for(seed, "spon", "text", int(index))
        text = make_colloquial(pool[index], rng)
        if text == pool[index] or normalize_text(text) not in written:
            yield Sentence(text, pool[index])


def make_colloquial(sentence: str, rng: np.random.Generator) -> str:
    """Add fillers, a repetition, a restart or a particle to a sentence.

    Args:
        sentence: Hanzi and commas.
        rng: Decides what is added and where.
    """
    if rng.random() < 0.35:
        sentence = _repeat(sentence, rng)
    if rng.random() < 0.2:
        sentence = _restart(sentence, rng)
    if "，" in sentence and rng.random() < 0.4:
        cuts = [match.end() for match in re.finditer("，", sentence)]
        cut = cuts[int(rng.integers(len(cuts)))]
        sentence = sentence[:cut] + choose(rng, _INSIDE) + sentence[cut:]
    if rng.random() < 0.5:
        sentence = choose(rng, _START) + sentence
    if not _FINAL_PARTICLE.search(sentence) and rng.random() < 0.35:
        sentence += choose(rng, _END)
    return sentence


def _repeat(sentence: str, rng: np.random.Generator) -> str:
    places = [match.start() for match in _REPEATABLE.finditer(sentence)]
    if not places:
        return sentence
    place = places[int(rng.integers(len(places)))]
    pause = "，" if rng.random() < 0.4 else ""
    return sentence[: place + 1] + pause + sentence[place:]


def _restart(sentence: str, rng: np.random.Generator) -> str:
    clause = sentence.split("，")[0]
    if len(clause) < 5:
        return sentence
    return sentence[: int(rng.integers(2, 4))] + "，" + sentence
