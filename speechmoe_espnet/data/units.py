"""Units that a model writes: characters, SentencePiece pieces or tonal syllables.

Every tokenizer normalises its text first, so that units never depend on how a corpus writes
punctuation or case.
"""

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

from speechmoe_espnet.data.text_norm import normalize_text

TOKEN_TYPES = ("char", "bpe", "syllable")
_DIGIT_READINGS = str.maketrans("0123456789", "零一二三四五六七八九")


class Tokenizer(Protocol):
    """Turns text into units and units back into text."""

    def text_to_units(self, text: str) -> list[str]:
        """Cut a transcript into units, none of them empty or with white space."""
        ...

    def units_to_text(self, units: Sequence[str]) -> str:
        """Join units as they are scored."""
        ...


@dataclass(frozen=True)
class CharTokenizer:
    """One unit a character; `units_to_text` gives the normalised text back."""

    def text_to_units(self, text: str) -> list[str]:
        """Cut a transcript into characters."""
        return list(normalize_text(text))

    def units_to_text(self, units: Sequence[str]) -> str:
        """Join characters without spaces; `<unk>` stays visible."""
        return "".join(units)


@dataclass(frozen=True)
class SyllableTokenizer:
    """Tonal syllables in pinyin, the units of the SpeechMoE paper.

    Tones are numbered 1 to 4 and 5 for the neutral tone (`ma5`), ü is v (`nv3`); words decide
    the reading of a character (`yin2 hang2`). Latin words are spelled in upper-case letters,
    digits are read one by one in Mandarin, and characters without a reading stand for
    themselves. There is no way back to characters without a language model: `units_to_text`
    gives syllables separated by spaces.
    """

    def text_to_units(self, text: str) -> list[str]:
        """Read a transcript out as syllables and letters."""
        from pypinyin import Style, lazy_pinyin

        return [
            unit
            for unit in lazy_pinyin(
                normalize_text(text).translate(_DIGIT_READINGS),
                style=Style.TONE3,
                neutral_tone_with_five=True,
                errors=list,  # type: ignore[arg-type]  # a list of units is allowed too
            )
            if unit
        ]

    def units_to_text(self, units: Sequence[str]) -> str:
        """Join syllables with spaces."""
        return " ".join(units)


@dataclass(frozen=True)
class BpeTokenizer:
    """Pieces of a SentencePiece model; `units_to_text` gives the normalised text back.

    Attributes:
        model: The model's bytes, as in a `bpe.model` file.
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
        """Train a model; the same texts give the same bytes.

        Args:
            texts: Transcripts.
            num_pieces: Size of its vocabulary, three special pieces included.

        Raises:
            ValueError: num_pieces is less than the number of characters, or more than the
                texts can give.
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
        try:
            return cls(Path(path).read_bytes())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    @property
    def pieces(self) -> list[str]:
        """All pieces but the special ones."""
        processor = self._processor
        return [
            processor.id_to_piece(number)
            for number in range(processor.get_piece_size())
            if not (processor.is_control(number) or processor.is_unknown(number))
        ]

    def text_to_units(self, text: str) -> list[str]:
        """Cut a transcript into pieces; characters unknown to the model stay as they are."""
        pieces: list[str] = self._processor.encode(normalize_text(text), out_type=str)
        return pieces

    def units_to_text(self, units: Sequence[str]) -> str:
        """Join pieces without spaces; `<unk>` stays visible."""
        return "".join(units).replace("▁", "")


def _reason(error: RuntimeError) -> str:
    return re.sub(r"^.*?\] ?", "", str(error)).strip() or str(error)
