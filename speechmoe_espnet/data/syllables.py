"""Readings of Hanzi: tonal syllables from pypinyin, with a rule for the suffix 儿.

Tones are 1 to 4, and 5 is the neutral tone (`ma5`). ü is written v (`nv3`). The phrase around a
character decides its reading (`yin2 hang2`). Tones are those of the dictionary, without tone sandhi
(ni3 hao3): the acoustic model and the search learn it.

The suffix 儿 is no syllable of its own: it colours the vowel before it. It is therefore a separate
unit, `er5` (hua1 er5), and not the full syllable `er2` of 儿子 and 女儿. 儿 is the suffix where all
of these hold: it follows a Hanzi, it does not start a longer word, it does not follow a character
that makes it a noun for a child (女儿, 幼儿园), and it does not precede one (二儿子). pypinyin
itself gives er2 for many suffixes.
"""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from speechmoe_espnet.data.segmentation import is_hanzi

type Units = tuple[str, ...]

# Readings of single digits, the usual one first; 1 is also yao1 (telephone numbers), 2 is also
# liang3 (2 个).
DIGIT_READINGS: Mapping[str, tuple[Units, ...]] = {
    "0": (("ling2",),),
    "1": (("yi1",), ("yao1",)),
    "2": (("er4",), ("liang3",)),
    "3": (("san1",),),
    "4": (("si4",),),
    "5": (("wu3",),),
    "6": (("liu4",),),
    "7": (("qi1",),),
    "8": (("ba1",),),
    "9": (("jiu3",),),
}
ER_SUFFIX = "er5"
ER_SYLLABLE = "er2"
_ER = "儿"
_CHILD_BEFORE = frozenset(
    "女男婴幼少孤妻孙侄胎患弃健宠生产血特能运潮馨育小乞吾我拖卖鬻娇骄痴一二两三四五"
)
_CHILD_AFTER = frozenset("子童女孙媳歌科戏郎化所")
_SYLLABLE = re.compile(r"[a-zê]+[1-5]")
_MOST_ALTERNATIVES = 16


def is_syllable(unit: str) -> bool:
    """Whether a unit is a tonal syllable."""
    return bool(_SYLLABLE.fullmatch(unit))


def read_hanzi(words: Sequence[str]) -> list[Units]:
    """Read consecutive words, one unit per character.

    Args:
        words: Words of Hanzi, as `segment` cuts them.

    Returns:
        The units of each word. A character without a reading is its own unit.

    Raises:
        ValueError: A word contains a character that is not a Hanzi.
    """
    for word in words:
        if not is_hanzi(word):
            raise ValueError(f"read_hanzi reads words of Hanzi, got {word!r} in {list(words)}")
    run = "".join(words)
    units = [unit for phrase in _phrases(run) for unit in _read_phrase(phrase)]
    readings = []
    start = 0
    for word in words:
        end = start + len(word)
        if _ER in word:
            for position in range(start, end):
                if run[position] == _ER:
                    suffix = _is_suffix(run[:position], word, position - start)
                    units[position] = ER_SUFFIX if suffix else ER_SYLLABLE
        readings.append(tuple(units[start:end]))
        start = end
    return readings


def dictionary_readings(word: str) -> list[Units]:
    """Return the dictionary's readings of a word of Hanzi, without context.

    Args:
        word: Hanzi.

    Returns:
        Distinct readings: first the one of the word alone, then all that pypinyin has for a single
        character or for a phrase of its dictionary. A word with the suffix 儿 is also read with the
        full syllable, and 儿 alone is read both ways.

    Raises:
        ValueError: The word contains a character that is not a Hanzi.
    """
    from pypinyin import Style, pinyin
    from pypinyin.constants import PHRASES_DICT

    readings = read_hanzi([word])
    if len(word) == 1 or word in PHRASES_DICT:
        characters = pinyin(
            word,
            style=Style.TONE3,
            heteronym=True,
            neutral_tone_with_five=True,
            errors=list,  # type: ignore[arg-type]  # a list of units is allowed too
        )
        if len(characters) == len(word):
            product = itertools.product(
                *(
                    [unit if is_syllable(unit) else character for unit in units]
                    for character, units in zip(word, characters, strict=True)
                )
            )
            readings += itertools.islice(product, _MOST_ALTERNATIVES)
    if word == _ER:
        readings.append((ER_SUFFIX,))
    readings += [
        tuple(ER_SYLLABLE if unit == ER_SUFFIX else unit for unit in reading)
        for reading in readings
    ]
    return list(dict.fromkeys(readings))


def _is_suffix(before: str, word: str, position: int) -> bool:
    """Whether the 儿 at a position of a word is a suffix, given the text before the word."""
    if not before or before[-1] in _CHILD_BEFORE:
        return False
    if position == 0:
        return len(word) == 1
    return word[position + 1 : position + 2] not in _CHILD_AFTER


def _phrases(run: str) -> Iterable[str]:
    """Cut as pypinyin does; its public function takes five times as long on whole sentences."""
    from pypinyin.seg.mmseg import seg

    phrases: Iterable[str] = seg.cut(run)
    return phrases


@cache
def _read_phrase(phrase: str) -> Units:
    from pypinyin import Style, lazy_pinyin

    units = lazy_pinyin(
        phrase,
        style=Style.TONE3,
        neutral_tone_with_five=True,
        errors=list,  # type: ignore[arg-type]  # a list of units is allowed too
    )
    assert len(units) == len(phrase), (phrase, units)
    return tuple(
        unit if is_syllable(unit) else character
        for character, unit in zip(phrase, units, strict=True)
    )
