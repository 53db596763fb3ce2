"""Sentences of the four styles, in a fixed random order for each seed."""

from collections.abc import Callable, Iterator

from speechmoe_espnet.corpora.synthetic.grammar import Sentence
from speechmoe_espnet.corpora.synthetic.randomness import rng_for
from speechmoe_espnet.corpora.synthetic.sources import news_sentences
from speechmoe_espnet.corpora.synthetic.text_aishell2 import aishell2_sentences
from speechmoe_espnet.corpora.synthetic.text_chat import chat_sentences
from speechmoe_espnet.corpora.synthetic.text_spon import spon_sentences


def read_sentences(num_characters: int, seed: int) -> Iterator[Sentence]:
    """Yield sentences of news articles, as they stand.

    Args:
        num_characters: Size of the inventory of Hanzi.
        seed: Decides the order.
    """
    pool = news_sentences(num_characters)
    for index in rng_for(seed, "read", "order").permutation(len(pool)):
        yield Sentence(pool[index], pool[index])


SENTENCES: dict[str, Callable[[int, int], Iterator[Sentence]]] = {
    "read": read_sentences,
    "chat": chat_sentences,
    "spon": spon_sentences,
    "aishell2": aishell2_sentences,
}
