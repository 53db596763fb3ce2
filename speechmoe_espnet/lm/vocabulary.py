"""Which words a language model has, so that no text is beyond it.

A closed list of words cannot write a name it lacks. Here frequent words stay words and rare ones
of Hanzi are written by their characters; every single character of the training text is a word
of the model, even where the text never has it by itself. So a search that knows the vocabulary
can write any word whose characters were ever seen.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from speechmoe_espnet.data.segmentation import is_hanzi

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
RESERVED = (BEGIN, END, UNKNOWN)


@dataclass(frozen=True)
class Vocabulary:
    """Words with how often each stands in the training text after rare words were split.

    Attributes:
        counts: Count by word, most frequent first; 0 for characters that only occur inside
            words.
    """

    counts: dict[str, int]

    @classmethod
    def from_sentences(cls, sentences: Iterable[Sequence[str]], min_count: int = 1) -> Self:
        """Choose the words.

        Words of Hanzi that occur fewer than `min_count` times are split. Other words (Latin,
        digits) stay whole: their letters do not say how they sound.

        Args:
            sentences: Words of each sentence.
            min_count: Occurrences that a word of several Hanzi needs.

        Raises:
            ValueError: `min_count` is not positive, there is no word, or a word is empty, has
                white space or a control character in it or is one of `<s>`, `</s>`, `<unk>`.
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
            if count >= min_count or not is_hanzi(word):
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
        """Write the words of a sentence that are not in the vocabulary by their characters.

        Only words of Hanzi are split; what is still unknown is returned as it is.
        """
        words: list[str] = []
        for word in sentence:
            if word in self.counts or not is_hanzi(word):
                words.append(word)
            else:
                words.extend(word)
        return words

    @property
    def unseen(self) -> list[str]:
        """Characters that the training text never has by themselves."""
        return [word for word, count in self.counts.items() if count == 0]

    def __contains__(self, word: object) -> bool:
        return word in self.counts

    def __len__(self) -> int:
        return len(self.counts)

    def write(self, path: str | Path) -> None:
        """Write `word count` lines, most frequent first."""
        lines = (f"{word} {count}\n" for word, count in self.counts.items())
        Path(path).write_text("".join(lines), encoding="utf-8", newline="\n")

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read what `write` wrote.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file has no words, is not UTF-8, or a line is not a new word and
                its count; the message names file and line.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no file {path}")
        counts: dict[str, int] = {}
        for number, raw in enumerate(path.read_bytes().split(b"\n"), start=1):
            if not raw:
                continue
            where = f"{path}:{number}"
            try:
                fields = raw.decode("utf-8").split(" ")
            except UnicodeDecodeError as error:
                raise ValueError(f"{where}: not UTF-8 at byte {error.start}") from None
            if len(fields) != 2 or not (fields[1].isascii() and fields[1].isdigit()):
                raise ValueError(f"{where}: a line is a word, a space and its count; got {raw!r}")
            word, count = fields
            try:
                check_word(word)
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
            if word in counts:
                raise ValueError(f"{where}: word {word} comes twice")
            counts[word] = int(count)
        if not counts:
            raise ValueError(f"{path}: no words")
        return cls(counts)


def check_word(word: str) -> None:
    """Check that a word can stand in an ARPA file.

    Raises:
        ValueError: It is empty, has white space, a control character or half a surrogate pair
            in it, or is one of `<s>`, `</s>`, `<unk>`.
    """
    if word in RESERVED:
        raise ValueError(f"word {word} is reserved in language models; remove it from the text")
    if word.split() != [word] or any(unicodedata.category(c) in ("Cc", "Cs") for c in word):
        raise ValueError(
            f"word {word!r} must not be empty or have white space or control characters in it"
        )
