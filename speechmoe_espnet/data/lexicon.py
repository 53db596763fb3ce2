"""Lexicon in Kaldi's format: the pronunciations of words in units of the model.

A word search finds only what the lexicon contains, and a lost or repeated line changes every
result a little. A lexicon is therefore checked when it is read; errors name the line.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from speechmoe_espnet.data.text_file import read_lines

type Pronunciation = tuple[str, ...]


@dataclass(frozen=True)
class Lexicon:
    """Pronunciations of words.

    Attributes:
        entries: The pronunciations of each word, the most frequent first, each a tuple of units.

    Raises:
        ValueError: There are no words, a word or unit is empty or contains white space, a word has
            no pronunciation, or a pronunciation is empty or repeated.
    """

    entries: Mapping[str, tuple[Pronunciation, ...]]

    def __post_init__(self) -> None:
        if not self.entries:
            raise ValueError("a lexicon needs at least one word, got none")
        for word, pronunciations in self.entries.items():
            if word.split() != [word]:
                raise ValueError(f"a word must not be empty or hold white space, got {word!r}")
            if not pronunciations:
                raise ValueError(f"{word}: no pronunciation; leave the word out or give it one")
            for units in pronunciations:
                if not units:
                    raise ValueError(f"{word}: a pronunciation without units")
                if " ".join(units).split() != list(units):
                    raise ValueError(
                        f"{word}: a unit must not be empty or hold white space, got {units}"
                    )
            if len(set(pronunciations)) < len(pronunciations):
                raise ValueError(f"{word}: a pronunciation occurs twice in {pronunciations}")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a `lexicon.txt`: one line per pronunciation, a word followed by its units.

        Args:
            path: The file. Words may come in any order; the pronunciations of a word come in order
                of frequency.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file has no lines, a line has no units or occurred before, or the file
                is not UTF-8; the message names file, line and word.
        """
        path = Path(path)
        file_lines = read_lines(path)
        if not any(map(str.strip, file_lines)):
            raise ValueError(f"{path}: no words; expected lines `word unit unit ...`")
        entries: dict[str, dict[Pronunciation, int]] = {}
        for number, line in enumerate(file_lines, start=1):
            fields = line.split()
            if not fields:
                raise ValueError(f"{path}, line {number}: empty; remove it")
            word, units = fields[0], tuple(fields[1:])
            if not units:
                raise ValueError(
                    f"{path}, line {number}: {word} has no pronunciation; expected `word unit "
                    f"unit ...`"
                )
            lines = entries.setdefault(word, {})
            if units in lines:
                raise ValueError(
                    f"{path}, line {number}: {word} {' '.join(units)} is already on line "
                    f"{lines[units]}; remove one"
                )
            lines[units] = number
        return cls({word: tuple(lines) for word, lines in entries.items()})

    def write(self, path: str | Path) -> None:
        """Write `lexicon.txt`: words sorted by code point, each with its pronunciations in order.

        Args:
            path: The file; equal lexicons give equal bytes.
        """
        with Path(path).open("w", encoding="utf-8", newline="\n") as file:
            for word in sorted(self.entries):
                for units in self.entries[word]:
                    file.write(f"{word} {' '.join(units)}\n")

    def check_units(self, units: Iterable[str]) -> None:
        """Check that a model has every unit of the lexicon.

        Args:
            units: The model's units, e.g. `TokenList.units`.

        Raises:
            ValueError: A unit is missing; the message names the first word that needs it and the
                number of such words.
        """
        known = set(units)
        lacking = [
            (word, unit)
            for word in sorted(self.entries)
            for pronunciation in self.entries[word]
            for unit in pronunciation
            if unit not in known
        ]
        if lacking:
            word, unit = lacking[0]
            raise ValueError(
                f"{word}: unit {unit} is not one of the model's {len(known)} units, nor are units "
                f"of {len({word for word, _ in lacking})} words in all; make the lexicon with the "
                f"token list of this model"
            )

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def num_pronunciations(self) -> int:
        """Number of pronunciations of all words."""
        return sum(map(len, self.entries.values()))
