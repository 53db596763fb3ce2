"""Units, which ESPnet calls tokens: characters, SentencePiece pieces, or syllables and phones.

Every tokenizer normalises its text first, so units do not depend on the punctuation and case of a
corpus.
"""

import io
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

from speechmoe_espnet.data.english import PHONES, pronunciations, read_ahead
from speechmoe_espnet.data.placeholder import refuse_placeholder
from speechmoe_espnet.data.segmentation import is_hanzi, is_latin, segment
from speechmoe_espnet.data.syllables import DIGIT_READINGS, is_syllable, read_hanzi
from speechmoe_espnet.data.text_norm import normalize_text

TOKEN_TYPES = ("char", "bpe", "syllable_phone")
_BATCH_SIZE = 1000


class Tokenizer(Protocol):
    """Turns text into units and units back into text."""

    def text_to_units(self, text: str) -> list[str]:
        """Cut a transcript into units; no unit is empty or contains white space."""
        ...

    def units_to_text(self, units: Sequence[str]) -> str:
        """Join units into the text that is scored."""
        ...


@dataclass(frozen=True)
class CharTokenizer:
    """One unit per character; `units_to_text` restores the normalised text."""

    def text_to_units(self, text: str) -> list[str]:
        """Cut a transcript into characters."""
        return list(normalize_text(text))

    def units_to_text(self, units: Sequence[str]) -> str:
        """Join characters without spaces; `<unk>` stays visible."""
        return "".join(units)


@dataclass(frozen=True)
class SyllablePhoneTokenizer:
    """Tonal Mandarin syllables and English phones, the units of the SpeechMoE paper.

    Hanzi are read by `syllables` (`yin2 hang2`), digits one by one in Mandarin, Latin words and
    letters by `english` (`W AY F AY`). A word without a reading (kana, Cyrillic, a rare Hanzi) is
    one unit of its own; `has_reading` detects it. Text cannot be restored without a lexicon and a
    language model: `units_to_text` joins the units with spaces.
    """

    def text_to_units(self, text: str) -> list[str]:
        """Convert a transcript into syllables and phones.

        Raises:
            ValueError: A Latin word needs espeak-ng, which is not installed.
        """
        return [unit for units in self.read_words(segment(text)) for unit in units]

    def read_words(self, words: Sequence[str]) -> list[tuple[str, ...]]:
        """Read the words of one transcript.

        Args:
            words: Words as `segment` cuts them. Neighbouring words decide the readings of Hanzi.

        Returns:
            The units of each word; concatenated they are the units of the transcript.

        Raises:
            ValueError: A Latin word needs espeak-ng, which is not installed.
        """
        readings: list[tuple[str, ...]] = []
        for hanzi, group in itertools.groupby(words, is_hanzi):
            neighbours = list(group)
            readings += read_hanzi(neighbours) if hanzi else map(_read_word, neighbours)
        return readings

    def read_texts(self, texts: Iterable[str]) -> Iterator[tuple[list[str], list[tuple[str, ...]]]]:
        """Read transcripts as `text_to_units` does; unknown Latin words are read in one batch.

        Args:
            texts: Transcripts.

        Yields:
            The words of each transcript, and the units of each word.

        Raises:
            ValueError: A Latin word needs espeak-ng, which is not installed.
        """
        for batch in itertools.batched(texts, _BATCH_SIZE):
            sentences = [segment(text) for text in batch]
            read_ahead(word for words in sentences for word in words if is_latin(word))
            for words in sentences:
                yield words, self.read_words(words)

    def units_to_text(self, units: Sequence[str]) -> str:
        """Join units with spaces."""
        return " ".join(units)

    @staticmethod
    def has_reading(unit: str) -> bool:
        """Whether a unit is a syllable or a phone, not a word without a reading."""
        return is_syllable(unit) or unit in PHONES


def _read_word(word: str) -> tuple[str, ...]:
    if word in DIGIT_READINGS:
        return DIGIT_READINGS[word][0]
    found = pronunciations(word) if is_latin(word) else ()
    return found[0] if found else (word,)


@dataclass(frozen=True)
class BpeTokenizer:
    """Pieces of a SentencePiece model; `units_to_text` restores the normalised text.

    Attributes:
        model: Bytes of the model, as in a `bpe.model` file.
    """

    model: bytes = field(repr=False)
    _processor: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        from sentencepiece import SentencePieceProcessor

        try:
            processor = SentencePieceProcessor(model_proto=self.model)
        except RuntimeError as error:
            raise ValueError(f"not a SentencePiece model: {error}") from None
        object.__setattr__(self, "_processor", processor)

    @classmethod
    def train(cls, texts: Iterable[str], num_pieces: int) -> Self:
        """Train a model; equal texts give equal bytes.

        Args:
            texts: Transcripts.
            num_pieces: Size of the vocabulary, including three special pieces.

        Raises:
            ValueError: There is no text, or num_pieces is too small for the characters of the texts
                or too large for their length.
        """
        from sentencepiece import SentencePieceTrainer

        lines = [line for line in map(normalize_text, texts) if line]
        if not lines:
            raise ValueError("no text to train SentencePiece on")
        model = io.BytesIO()
        try:
            SentencePieceTrainer.train(
                sentence_iterator=iter(lines),
                model_writer=model,
                model_type="bpe",
                vocab_size=num_pieces,
                character_coverage=1.0,
                normalization_rule_name="identity",
                add_dummy_prefix=False,
                max_sentence_length=max(len(line.encode()) for line in lines) + 1,
                num_threads=1,
                minloglevel=2,
            )
        except RuntimeError as error:
            num_characters = len(set("".join(lines)))
            raise ValueError(
                f"nbpe {num_pieces} does not suit a text of {num_characters} different "
                f"characters; it must be at least {num_characters + 3} and small for little "
                f"text ({_reason(error)})"
            ) from None
        return cls(model.getvalue())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a model file.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is not a SentencePiece model.
        """
        content = Path(path).read_bytes()
        refuse_placeholder(content, path)
        try:
            return cls(content)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    @property
    def pieces(self) -> list[str]:
        """All pieces except the special ones."""
        processor = self._processor
        return [
            processor.id_to_piece(number)
            for number in range(processor.get_piece_size())
            if not (processor.is_control(number) or processor.is_unknown(number))
        ]

    def text_to_units(self, text: str) -> list[str]:
        """Cut a transcript into pieces; characters unknown to the model are kept."""
        pieces: list[str] = self._processor.encode(normalize_text(text), out_type=str)
        return pieces

    def decode(self, pieces: list[str]) -> str:
        """Join pieces as SentencePiece does."""
        text: str = self._processor.decode_pieces(pieces)
        return text

    def units_to_text(self, units: Sequence[str]) -> str:
        """Join pieces without spaces; `<unk>` stays visible."""
        return "".join(units).replace("▁", "")


def _reason(error: RuntimeError) -> str:
    return re.sub(r"^.*?\] ?", "", str(error)).strip() or str(error)
