"""Vocabulary of a word language model, open through single characters.

A closed word list cannot write a name that it lacks. Here frequent words stay whole, and rare words
of Hanzi are split into characters. Every character of the training text is a word of the model,
even if it occurs only inside words. A search with this vocabulary can therefore write any word
whose characters were seen.
"""

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from speechmoe_espnet.data.segmentation import is_hanzi
from speechmoe_espnet.data.text_file import read_lines

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
RESERVED = (BEGIN, END, UNKNOWN)


@dataclass(frozen=True)
class Vocabulary:
    """Words with their counts in the training text after rare words were split.

    Attributes:
        counts: Count by word, the most frequent first; 0 for characters that occur only inside
            words.
    """

    counts: dict[str, int]

    @classmethod
    def from_sentences(
        cls,
        sentences: Iterable[Sequence[str]],
        min_count: int = 1,
        keep: Collection[str] = frozenset(),
    ) -> Self:
        """Choose the words.

        Words of Hanzi that occur fewer than `min_count` times are split. Other words (Latin,
        digits) stay whole: their letters do not determine their pronunciation.

        Args:
            sentences: Words of each sentence.
            min_count: Occurrences that a word of several Hanzi needs to stay whole.
            keep: Words that stay whole however rarely they occur.

        Raises:
            ValueError: `min_count` is not positive, there is no word, or a word is empty, contains
                white space or a control character, or is one of `<s>`, `</s>`, `<unk>`.
        """
        if min_count < 1:
            raise ValueError(f"min_count must be at least 1, got {min_count}")
        words = Counter(word for sentence in sentences for word in sentence)
        if not words:
            raise ValueError("no text: a vocabulary needs at least one word")
        for word in words:
            check_word(word)
        counts: Counter[str] = Counter()
        for word, count in words.items():
            if count >= min_count or word in keep or not is_hanzi(word):
                counts[word] += count
            else:
                for character in word:
                    counts[character] += count
        for character in sorted({character for word in words for character in word}):
            if not unicodedata.category(character).startswith("M"):
                counts.setdefault(character, 0)
        order = sorted(counts, key=lambda word: (-counts[word], word))
        return cls({word: counts[word] for word in order})

    def split(self, sentence: Iterable[str]) -> list[str]:
        """Split the words of a sentence that are not in the vocabulary into characters.

        Only words of Hanzi are split; other unknown words are returned unchanged.
        """
        words: list[str] = []
        for word in sentence:
            if word in self.counts or not is_hanzi(word):
                words.append(word)
            else:
                words.extend(word)
        return words

    def extended(self, words: Iterable[str]) -> Self:
        """Return a vocabulary that also has other words, with count 0."""
        return type(self)({**self.counts, **{w: 0 for w in words if w not in self.counts}})

    @property
    def unseen(self) -> list[str]:
        """Return the characters that occur only inside words of the training text."""
        return [word for word, count in self.counts.items() if count == 0]

    def __contains__(self, word: object) -> bool:
        return word in self.counts

    def __len__(self) -> int:
        return len(self.counts)

    def write(self, path: str | Path) -> None:
        """Write lines `word count`, the most frequent first."""
        lines = (f"{word} {count}\n" for word, count in self.counts.items())
        Path(path).write_text("".join(lines), encoding="utf-8", newline="\n")

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a file that `write` wrote.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file has no words or is not UTF-8, a line is not a word and its count,
                or a word occurs twice; the message names file and line.
        """
        path = Path(path)
        counts: dict[str, int] = {}
        for number, line in enumerate(read_lines(path), start=1):
            if not line:
                continue
            where = f"{path}:{number}"
            fields = line.split(" ")
            if len(fields) != 2 or not (fields[1].isascii() and fields[1].isdigit()):
                raise ValueError(f"{where}: a line is a word, a space and its count; got {line!r}")
            word, count = fields
            try:
                check_word(word)
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
            if word in counts:
                raise ValueError(f"{where}: word {word} occurs twice")
            counts[word] = int(count)
        if not counts:
            raise ValueError(f"{path}: no words")
        return cls(counts)


def check_word(word: str) -> None:
    """Check that a word is allowed in an ARPA file.

    Raises:
        ValueError: The word is empty, contains white space, a control character or half a surrogate
            pair, or is one of `<s>`, `</s>`, `<unk>`.
    """
    if word in RESERVED:
        raise ValueError(f"word {word} is reserved in language models; remove it from the text")
    if word.split() != [word] or any(unicodedata.category(c) in ("Cc", "Cs") for c in word):
        raise ValueError(
            f"word {word!r} must not be empty or contain white space or control characters"
        )
