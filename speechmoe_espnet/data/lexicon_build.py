"""Make the lexicon of a vocabulary: the readings its text shows, then those of dictionaries.

A model is trained on what `SyllablePhoneTokenizer` makes of whole transcripts, where neighbours
decide how a word is read. A search that is to find those units again needs the same readings, so
the lexicon is observed in text by the same tokenizer; dictionaries add what the text happens not
to show.
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
    """A lexicon and what could not enter it.

    Attributes:
        lexicon: The words that the units can write.
        oov: Words that they cannot, with their counts, most frequent first.
        num_words: Sum of the counts of all words.
        num_dropped: Pronunciations left out because a unit of theirs is not in the token list.
        num_dropped_occurrences: How often those occurred in the sentences.
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
        """Sum of the counts of the words that are out of vocabulary."""
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
        words: Vocabulary, as `segment` writes words, with counts or without. Single Hanzi get
            every reading that pypinyin knows, Latin words every one of CMUdict.
        sentences: Text in which readings are observed; words outside the vocabulary only decide
            how their neighbours are read.
        units: The model's units, e.g. `TokenList.units`; None allows every unit.
        max_pronunciations: Most pronunciations of a word: those observed come first, the most
            frequent first, then those of the dictionaries in their order.

    Returns:
        The lexicon, and what is not in it. The counts of words are those given, or without any
        their occurrences in the sentences.

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
    """Make the lexicon of a model that writes characters: each word is its characters.

    Args:
        words: Vocabulary, as for `build_lexicon`.
        units: The model's units; None allows every unit.

    Returns:
        The lexicon, and what is not in it.

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
    """Keep the pronunciations that the units allow; those observed come before those of `more`."""
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
            f"is it of another token_type?"
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
                f"word {word!r} is not as transcripts are written (that would be "
                f"{normalize_text(word)!r}); leave out special words such as <s>, and take "
                f"words from the same segmentation"
            )
        if word in vocabulary:
            raise ValueError(f"word {word} is listed twice")
        vocabulary.add(word)
    if not vocabulary:
        raise ValueError("no words to make a lexicon of")
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
