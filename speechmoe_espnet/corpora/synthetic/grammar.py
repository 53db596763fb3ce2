"""Sentence patterns with slots, for the styles without enough text in packages."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

_SLOT = re.compile(r"\{(\w+)\}")

type Filler = Sequence[str] | Callable[[np.random.Generator], str]


class Sentence(NamedTuple):
    """Something to say.

    Attributes:
        text: What is said.
        origin: The sentence that decides the partition: the text itself, or what it was made
            from.
    """

    text: str
    origin: str


def choose(rng: np.random.Generator, items: Sequence[str]) -> str:
    """Draw one item."""
    return items[int(rng.integers(len(items)))]


def expand(pattern: str, slots: Mapping[str, Filler], rng: np.random.Generator) -> str:
    """Fill a pattern's slots.

    Args:
        pattern: Text with slots such as `{name}`; fillers may hold slots themselves.
        slots: For each slot, its fillers or a function that makes one.
        rng: Draws them.

    Raises:
        ValueError: A slot is not in `slots`.
    """
    while match := _SLOT.search(pattern):
        name = match[1]
        if name not in slots:
            raise ValueError(f"pattern {pattern!r} has the slot {name}, which has no fillers")
        filler = slots[name]
        word = filler(rng) if callable(filler) else choose(rng, filler)
        pattern = pattern[: match.start()] + word + pattern[match.end() :]
    return pattern
