"""Natural speakers: as many as wanted, mixed from the few dozen styles of Kokoro.

A style is one vector for each number of phonemes. Its first half decides the timbre, its second
half the prosody: pitch, durations, melody. Timbre is mixed from up to two Chinese and two foreign
voices of one sex, prosody from the Chinese ones alone, which keeps the accent native. Speaking rate
and a shift of pitch and formants by up to 8 % vary in addition.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from speechmoe_espnet.corpora.synthetic.presets import PARTITIONS
from speechmoe_espnet.corpora.synthetic.randomness import hash_fraction, rng_for

ALL = "all"
"""Partition of speakers who may be mixed from every voice."""
_NAME = re.compile(r"([a-z])([fm])_\w+")
_CHINESE = "z"
# A whisper, and voices of an old man that are played rather than spoken.
_LEFT_OUT = frozenset({"af_nicole", "am_santa", "em_santa", "pm_santa"})
_SHIFT = (0.92, 1.08)
_CHINESE_SHARE = (0.4, 0.8)
SPEEDS = {
    "read": (0.9, 1.1),
    "chat": (1.05, 1.3),
    "spon": (0.95, 1.25),
    "aishell2": (0.95, 1.15),
    ALL: (0.88, 1.22),
}

type Mix = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class MixedVoice:
    """A natural speaker.

    Attributes:
        name: Speaker id; a prefix of the ids of the speaker's utterances.
        timbre: Voices and their weights, which add up to 1.
        prosody: Voices and their weights, which add up to 1.
        speed: Factor of the speaking rate.
        shift: Factor of pitch and formants.
    """

    name: str
    timbre: Mix
    prosody: Mix
    speed: float
    shift: float


@dataclass(frozen=True)
class _Group:
    chinese: tuple[str, ...]
    foreign: tuple[str, ...]


def share_out(names: Iterable[str]) -> Mapping[str, Mapping[str, _Group]]:
    """Divide voices among train, dev and eval, for each sex.

    A fixed hash orders the voices of a kind. Dev gets an eighth and eval a fourth of them, each at
    least one; train gets the others. No voice is given twice.

    Args:
        names: Names of voices: language (`z` is Chinese), sex (`f` or `m`), `_`, name.

    Returns:
        By partition and sex, the Chinese and the foreign voices; `all` has every voice.

    Raises:
        ValueError: There is no sex with three Chinese voices.
    """
    kinds: dict[tuple[str, bool], list[str]] = {}
    for name in sorted(names, key=lambda name: (hash_fraction(name, "voice"), name)):
        if (match := _NAME.fullmatch(name)) and name not in _LEFT_OUT:
            kinds.setdefault((match[2], match[1] == _CHINESE), []).append(name)
    sexes = [sex for sex in "fm" if len(kinds.get((sex, True), ())) >= len(PARTITIONS)]
    if not sexes:
        raise ValueError(
            "voices for train, dev and eval need three Chinese voices of one sex, named zf_NAME "
            f"or zm_NAME; there are {sum(len(kinds.get((sex, True), ())) for sex in 'fm')} in all"
        )
    shares: dict[str, dict[str, _Group]] = {name: {} for name in (*PARTITIONS, ALL)}
    for sex in sexes:
        chinese = _shares(kinds[sex, True])
        foreign = _shares(kinds.get((sex, False), []))
        for partition, groups in shares.items():
            groups[sex] = _Group(chinese[partition], foreign[partition])
    return shares


def _shares(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    num_dev, num_eval = (max(1, len(names) // part) for part in (8, 4))
    return {
        "dev": tuple(names[:num_dev]),
        "eval": tuple(names[num_dev : num_dev + num_eval]),
        "train": tuple(names[num_dev + num_eval :]),
        ALL: tuple(names),
    }


def mix_voices(
    style: str, partition: str, count: int, seed: int, names: Iterable[str]
) -> tuple[MixedVoice, ...]:
    """Draw the natural speakers of one style and partition; every other one is a woman.

    Args:
        style: One of the four styles, or `all`, whose speakers have every speaking rate.
        partition: `train`, `dev`, `eval`, or `all`.
        count: Number of speakers. Speaker i does not depend on it.
        seed: The user's seed.
        names: Names of the voices to mix.

    Raises:
        ValueError: As in `share_out`.
    """
    groups = list(share_out(names)[partition].values())
    return tuple(
        _mix(
            f"{style}_{partition}{index:03d}k",
            groups[index % len(groups)],
            SPEEDS[style],
            rng_for(seed, style, partition, index, "mixed voice"),
        )
        for index in range(count)
    )


def _mix(
    name: str, group: _Group, speeds: tuple[float, float], rng: np.random.Generator
) -> MixedVoice:
    chinese, foreign = _draw(group.chinese, rng), _draw(group.foreign, rng)
    share = rng.uniform(*_CHINESE_SHARE) if foreign else 1.0
    timbre = [(voice, weight * share) for voice, weight in chinese]
    timbre += [(voice, weight * (1 - share)) for voice, weight in foreign]
    return MixedVoice(
        name=name,
        timbre=_rounded(timbre),
        prosody=_rounded(_draw(group.chinese, rng)),
        speed=round(rng.uniform(*speeds), 3),
        shift=round(rng.uniform(*_SHIFT), 3),
    )


def _draw(names: Sequence[str], rng: np.random.Generator) -> Mix:
    """Draw two voices (one, where there is one) and weights that add up to 1."""
    weight = rng.uniform()
    order = [names[place] for place in rng.permutation(len(names))[:2]]
    return tuple(zip(order, (weight, 1 - weight) if len(order) == 2 else (1.0,), strict=False))


def _rounded(mix: Iterable[tuple[str, float]]) -> Mix:
    return tuple((voice, round(weight, 4)) for voice, weight in mix)
