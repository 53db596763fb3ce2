"""Lexicon of a vocabulary: pronunciations observed in text, then those of dictionaries.

A model is trained on the units that `SyllablePhoneTokenizer` makes of whole transcripts, where the
context of a word decides its pronunciation. The search needs the same pronunciations, so they are
observed in text with the same tokenizer. Dictionaries add pronunciations that the text lacks.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from speechmoe_espnet.data.english import pronunciations, read_ahead
from speechmoe_espnet.data.lexicon import Lexicon, Pronunciation
from speechmoe_espnet.data.segmentation import is_hanzi, is_latin
from speechmoe_espnet.data.syllables import DIGIT_READINGS, dictionary_readings
from speechmoe_espnet.data.text_norm import normalize_text
from speechmoe_espnet.data.units import SyllablePhoneTokenizer

MOST_PRONUNCIATIONS = 8


@dataclass(frozen=True)
class LexiconBuild:
    """A lexicon and what was left out of it.

    Attributes:
        lexicon: The words that can be written in the units.
        oov: Words that cannot, with their counts, the most frequent first.
        num_words: Sum of the counts of all words.
        num_dropped: Pronunciations left out because a unit is not in the token list.
        num_dropped_occurrences: Number of their occurrences in the sentences.
        num_over_bound: Pronunciations left out because their word has too many.
    """

    lexicon: Lexicon
    oov: tuple[tuple[str, int], ...]
    num_words: int
    num_dropped: int
    num_dropped_occurrences: int
    num_over_bound: int

    @property
    def num_oov(self) -> int:
        """Sum of the counts of the out-of-vocabulary words."""
        return sum(count for _, count in self.oov)


def build_lexicon(
    words: Mapping[str, int] | Iterable[str],
    sentences: Iterable[str],
    *,
    units: Iterable[str] | None = None,
    max_pronunciations: int = MOST_PRONUNCIATIONS,
) -> LexiconBuild:
    """Collect the pronunciations of words.

    Args:
        words: Vocabulary, as `segment` writes words, with or without counts. A single Hanzi gets
            every reading of pypinyin, a Latin word every pronunciation of CMUdict.
        sentences: Text in which pronunciations are observed; words outside the vocabulary serve
            only as context.
        units: The model's units, e.g. `TokenList.units`; None allows every unit.
        max_pronunciations: Maximum number of pronunciations of a word. Observed ones come first,
            by frequency; those of the dictionaries follow in their order.

    Returns:
        The lexicon and what was left out. Words have the given counts or, without counts, the
        number of their occurrences in the sentences.

    Raises:
        ValueError: A word is not normalised or listed twice, max_pronunciations is less than 1,
            no word can be written, or a Latin word needs espeak-ng, which is not installed.
    """
    if max_pronunciations < 1:
        raise ValueError(f"max_pronunciations must be at least 1, got {max_pronunciations}")
    vocabulary = _vocabulary(words)
    observed = _observe(vocabulary, sentences)
    counts = (
        {word: words[word] for word in vocabulary}
        if isinstance(words, Mapping)
        else {word: observed[word].total() for word in vocabulary}
    )
    read_ahead(filter(is_latin, vocabulary))
    return _choose(
        vocabulary, counts, observed, _dictionary_pronunciations, units, max_pronunciations
    )


def spell_lexicon(
    words: Mapping[str, int] | Iterable[str], *, units: Iterable[str] | None = None
) -> LexiconBuild:
    """Make the lexicon of a character model: each word is spelled in its characters.

    Args:
        words: Vocabulary, as for `build_lexicon`.
        units: The model's units; None allows every unit.

    Returns:
        The lexicon and what was left out.

    Raises:
        ValueError: A word is not normalised or listed twice, or no word can be written.
    """
    vocabulary = _vocabulary(words)
    counts = {word: words[word] if isinstance(words, Mapping) else 0 for word in vocabulary}
    observed: dict[str, Counter[Pronunciation]] = {word: Counter() for word in vocabulary}
    return _choose(vocabulary, counts, observed, lambda word: [tuple(word)], units, 1)


def _choose(
    vocabulary: set[str],
    counts: Mapping[str, int],
    observed: Mapping[str, Counter[Pronunciation]],
    more: Callable[[str], Sequence[Pronunciation]],
    units: Iterable[str] | None,
    max_pronunciations: int,
) -> LexiconBuild:
    """Keep pronunciations that the units allow; observed ones come before those of `more`."""
    known = None if units is None else frozenset(units)
    entries: dict[str, tuple[Pronunciation, ...]] = {}
    oov: list[tuple[str, int]] = []
    num_dropped = num_dropped_occurrences = num_over_bound = 0
    for word in sorted(vocabulary):
        seen = sorted(observed[word].items(), key=lambda item: (-item[1], item[0]))
        candidates = list(dict.fromkeys([*(reading for reading, _ in seen), *more(word)]))
        possible = [c for c in candidates if known is None or known.issuperset(c)]
        num_dropped += len(candidates) - len(possible)
        num_dropped_occurrences += sum(
            count for reading, count in seen if known is not None and not known.issuperset(reading)
        )
        num_over_bound += max(0, len(possible) - max_pronunciations)
        if possible:
            entries[word] = tuple(possible[:max_pronunciations])
        else:
            oov.append((word, counts[word]))
    if not entries:
        raise ValueError(
            f"none of the {len(vocabulary)} words can be written in the units of the token list; "
            f"does it have another token_type?"
        )
    return LexiconBuild(
        Lexicon(entries),
        tuple(sorted(oov, key=lambda item: (-item[1], item[0]))),
        sum(counts.values()),
        num_dropped,
        num_dropped_occurrences,
        num_over_bound,
    )


def _vocabulary(words: Iterable[str]) -> set[str]:
    vocabulary: set[str] = set()
    for word in words:
        if not word or normalize_text(word) != word:
            raise ValueError(
                f"word {word!r} is not normalised (expected "
                f"{normalize_text(word)!r}); leave out special words such as <s>, and take "
                f"words from the same segmentation"
            )
        if word in vocabulary:
            raise ValueError(f"word {word} is listed twice")
        vocabulary.add(word)
    if not vocabulary:
        raise ValueError("no words to make a lexicon from")
    return vocabulary


def _observe(vocabulary: set[str], sentences: Iterable[str]) -> dict[str, Counter[Pronunciation]]:
    pairs: Counter[tuple[str, Pronunciation]] = Counter()
    for words, readings in SyllablePhoneTokenizer().read_texts(sentences):
        pairs.update(zip(words, readings, strict=True))
    observed: dict[str, Counter[Pronunciation]] = {word: Counter() for word in vocabulary}
    for (word, reading), count in pairs.items():
        if word in vocabulary:
            observed[word][reading] = count
    return observed


def _dictionary_pronunciations(word: str) -> list[Pronunciation]:
    if is_hanzi(word):
        return dictionary_readings(word)
    if word in DIGIT_READINGS:
        return list(DIGIT_READINGS[word])
    if is_latin(word) and (found := pronunciations(word)):
        return list(found)
    return [tuple(SyllablePhoneTokenizer().text_to_units(word))]
