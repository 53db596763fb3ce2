"""Sentences of the aishell2 style: commands, places, numbers, names, songs and films."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

import numpy as np
from faker.providers.person.zh_CN import Provider as PersonProvider

from speechmoe_espnet.corpora.synthetic.aishell2_phrases import PATTERNS, SLOTS
from speechmoe_espnet.corpora.synthetic.grammar import Filler, Sentence, choose, expand
from speechmoe_espnet.corpora.synthetic.randomness import rng_for
from speechmoe_espnet.corpora.synthetic.sources import (
    MAX_CHARS,
    frequent_characters,
    place_names,
)
from speechmoe_espnet.data.hanzi_numbers import hanzi_digits, hanzi_number
from speechmoe_espnet.data.text_norm import normalize_text

_MAX_REQUESTS = 1_000_000
_MIN_CHARS = 6
_POLITE = ("请", "帮我", "麻烦你", "我想", "请你帮我", "现在", "小明，", "你好，")
_LINKS = ("，然后", "，再", "，还有", "，顺便")


def aishell2_sentences(num_characters: int, seed: int) -> Iterator[Sentence]:
    """Yield requests; requests may repeat.

    Args:
        num_characters: Size of the inventory of Hanzi in names of people and places from packages;
            titles and patterns may contain others.
        seed: Decides patterns and words.
    """
    slots = _slots(num_characters)
    for index in range(_MAX_REQUESTS):
        rng = rng_for(seed, "aishell2", "text", index)
        request = _request(slots, rng)
        if _MIN_CHARS <= len(normalize_text(request)) <= MAX_CHARS:
            yield Sentence(request, request)


def _request(slots: Mapping[str, Filler], rng: np.random.Generator) -> str:
    request = expand(choose(rng, PATTERNS), slots, rng)
    if rng.random() < 0.3:
        request = choose(rng, _POLITE) + request
    if len(normalize_text(request)) < 12 and rng.random() < 0.7:
        request += choose(rng, _LINKS) + expand(choose(rng, PATTERNS), slots, rng)
    return request


@cache
def _slots(num_characters: int) -> Mapping[str, Filler]:
    characters = frequent_characters(num_characters)
    family = _only(characters, PersonProvider.last_names)
    given = _only(characters, PersonProvider.first_names)

    def number(rng: np.random.Generator) -> str:
        return hanzi_number(int(rng.integers(10 ** int(rng.integers(1, 5)))) + 1)

    def digits(rng: np.random.Generator) -> str:
        return _digits(rng, int(rng.integers(4, 8)))

    def phone(rng: np.random.Generator) -> str:
        prefix = choose(rng, ("13", "15", "18"))
        return (hanzi_digits(prefix) + _digits(rng, 9)).replace("一", "幺")

    def clock(rng: np.random.Generator) -> str:
        part = choose(rng, ("", "早上", "上午", "下午", "晚上"))
        minutes = choose(rng, ("", "", "半", "十分", "一刻", "二十五分", "四十分", "五十五分"))
        return part + hanzi_number(int(rng.integers(3, 13))) + "点" + minutes

    return {
        **SLOTS,
        "region": _only(characters, place_names()),
        "person": lambda rng: choose(rng, family) + choose(rng, given),
        "number": number,
        "digits": digits,
        "phone": phone,
        "clock": clock,
        "small": lambda rng: hanzi_number(int(rng.integers(2, 100))),
        "age": lambda rng: hanzi_number(int(rng.integers(6, 90))),
        "money": lambda rng: hanzi_number(int(rng.integers(2, 200)) * 50) + "元",
        "year": lambda rng: hanzi_digits(str(int(rng.integers(1900, 2030)))),
        "month": lambda rng: hanzi_number(int(rng.integers(1, 13))),
        "date": lambda rng: hanzi_number(int(rng.integers(1, 32))),
        "radio": lambda rng: (
            f"{hanzi_number(int(rng.integers(88, 108)))}点{hanzi_number(int(rng.integers(1, 10)))}"
        ),
    }


def _only(characters: frozenset[str], words: Iterable[str]) -> list[str]:
    return sorted({word for word in words if characters.issuperset(word)})


def _digits(rng: np.random.Generator, count: int) -> str:
    return hanzi_digits("".join(str(digit) for digit in rng.integers(0, 10, count)))
