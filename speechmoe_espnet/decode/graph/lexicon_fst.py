"""Lexicon as a transducer from units to words that can be determinized."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from speechmoe_espnet.data.lexicon import Pronunciation
from speechmoe_espnet.data.text_file import split_lines
from speechmoe_espnet.decode.graph.fst_arrays import EPSILON, FstArrays
from speechmoe_espnet.decode.graph.topology import backoff_label, unit_label
from speechmoe_espnet.lm.vocabulary import BEGIN, END

EPS_WORD, BACKOFF_WORD = "<eps>", "#0"
SPECIAL_WORDS = (EPS_WORD, BACKOFF_WORD, BEGIN, END)


@dataclass(frozen=True)
class WordList:
    """Words by id, as in Kaldi's `words.txt`: `<eps>` is 0; `#0`, `<s>` and `</s>` come last.

    Attributes:
        words: All words.
    """

    words: tuple[str, ...]

    @classmethod
    def of_lexicon(cls, words: Sequence[str]) -> "WordList":
        """Number the words of a lexicon in their order.

        Raises:
            ValueError: A word has the name of a special word.
        """
        if special := sorted(set(words) & set(SPECIAL_WORDS)):
            raise ValueError(f"lexicon: {', '.join(special)}: reserved names; rename these words")
        return cls((EPS_WORD, *words, BACKOFF_WORD, BEGIN, END))

    @property
    def ids(self) -> dict[str, int]:
        """Id by word."""
        return {word: number for number, word in enumerate(self.words)}

    def to_text(self) -> str:
        """Return a symbol table with lines `word id`."""
        return "".join(f"{word} {number}\n" for number, word in enumerate(self.words))

    @classmethod
    def from_text(cls, text: str) -> "WordList":
        """Read a symbol table.

        Raises:
            ValueError: A line is not `word id`, or the ids are not 0, 1, 2 and so on.
        """
        words = []
        for number, line in enumerate(split_lines(text)):
            fields = line.split(" ")
            if len(fields) != 2 or fields[1] != str(number):
                raise ValueError(f"line {number + 1}: expected `word {number}`, got {line!r}")
            words.append(fields[0])
        return cls(tuple(words))


def disambiguated(
    lexicon: Mapping[str, Sequence[Pronunciation]],
) -> Iterator[tuple[str, Pronunciation, int]]:
    """Number the pronunciations that their units alone do not distinguish.

    As in Kaldi's add_lex_disambig.pl: a pronunciation that several words share, or that is a prefix
    of another one, gets `#1`, `#2` and so on after its last unit.

    Args:
        lexicon: Pronunciations by word.

    Yields:
        Word, pronunciation, number of its disambiguation symbol (0: none).
    """
    shared = Counter(units for all_ in lexicon.values() for units in all_)
    beginnings = {units[:end] for units in shared for end in range(1, len(units))}
    given: Counter[Pronunciation] = Counter()
    for word, pronunciations in lexicon.items():
        for units in pronunciations:
            if shared[units] == 1 and units not in beginnings:
                yield word, units, 0
                continue
            given[units] += 1
            yield word, units, given[units]


def lexicon_fst(
    lexicon: Mapping[str, Sequence[Pronunciation]],
    word_ids: Mapping[str, int],
    unit_ids: Mapping[str, int],
) -> tuple[FstArrays, int]:
    """Make the transducer that reads any sequence of pronunciations and writes its words.

    Args:
        lexicon: Pronunciations by word; each has at least one unit.
        word_ids: Id of each word and of `#0`.
        unit_ids: Id of each unit of the model.

    Returns:
        The transducer from unit labels to word ids, and the number of its disambiguation symbols
        other than `#0`. It copies `#0`, which the grammar's back-off arcs need.

    Raises:
        ValueError: A pronunciation is empty or has a unit that the model lacks.
    """
    backoff = backoff_label(len(unit_ids))
    rows: list[tuple[int, int, int, int]] = []
    num_states, num_symbols = 1, 0
    for word, units, number in disambiguated(lexicon):
        if not units:
            raise ValueError(f"lexicon: {word}: no pronunciation")
        if unknown := [unit for unit in units if unit not in unit_ids]:
            raise ValueError(
                f"lexicon: {word}: {unknown[0]} is not among the units of the model; make the "
                f"lexicon with its token list"
            )
        labels = [unit_label(unit_ids[unit]) for unit in units]
        if number:
            labels.append(backoff + number)
            num_symbols = max(num_symbols, number)
        state, olabel = 0, word_ids[word]
        for label in labels[:-1]:
            rows.append((state, label, olabel, num_states))
            state, olabel = num_states, EPSILON
            num_states += 1
        rows.append((state, labels[-1], olabel, 0))
    rows.append((0, backoff, word_ids[BACKOFF_WORD], 0))
    source, ilabel, olabels, target = np.array(rows, dtype=np.int64).T
    final = np.full(num_states, np.inf)
    final[0] = 0.0
    weight = np.zeros(len(rows))
    return FstArrays.from_arcs(source, ilabel, olabels, weight, target, final), num_symbols
