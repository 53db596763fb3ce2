"""Conversion of unit ids to the text that is written and scored."""

from collections.abc import Callable, Sequence
from pathlib import Path

import sentencepiece

UNKNOWN = "<unk>"
SPACE = "<space>"
TOKEN_TYPES = ("char", "word", "bpe")


class UnitText:
    """Writes the units of one model as text.

    Characters are joined directly, words and syllables with a space, pieces by SentencePiece.
    `<unk>`, the blank and `<sos/eos>` have no text. An unknown unit matches no reference: left out
    it is one deletion, written it would be one substitution.

    Args:
        units: The model's units by id.
        token_type: ESPnet's token type: char, bpe or word (for syllables).
        bpemodel: SentencePiece model, for bpe.

    Raises:
        ValueError: The token type is unknown, or bpe lacks its model.
        FileNotFoundError: The SentencePiece model does not exist.
    """

    def __init__(
        self, units: Sequence[str], token_type: str, bpemodel: str | Path | None = None
    ) -> None:
        self.units = tuple(units)
        self._join = _joiner(token_type, bpemodel)
        self._silent = {self.units[0], UNKNOWN, "<sos/eos>", "<sos>", "<eos>"}

    def __call__(self, unit_ids: Sequence[int]) -> str:
        """Return the text of unit ids, without white space around it."""
        return " ".join(self._join(self.visible(unit_ids)).split())

    def visible(self, unit_ids: Sequence[int]) -> list[str]:
        """Return the units of unit ids, without those that have no text."""
        units = [self.units[unit_id] for unit_id in unit_ids]
        return [unit for unit in units if unit not in self._silent]


def join_words(words: Sequence[str]) -> str:
    """Join words as Mandarin is written: a space between Latin words, none elsewhere.

    Args:
        words: Words without white space.
    """
    text = ""
    for word in words:
        is_latin = text[-1:].isascii() and text[-1:].isalpha() and word[:1].isascii()
        text += f" {word}" if is_latin and word[:1].isalpha() else word
    return text


def _joiner(token_type: str, bpemodel: str | Path | None) -> Callable[[list[str]], str]:
    if token_type == "char":
        return lambda units: "".join(" " if unit == SPACE else unit for unit in units)
    if token_type == "word":
        return " ".join
    if token_type == "bpe":
        if bpemodel is None:
            raise ValueError(
                "bpemodel: the model's config.yaml names none, but its token_type is bpe; "
                "add the path of bpe.model there"
            )
        if not Path(bpemodel).is_file():
            raise FileNotFoundError(
                f"no SentencePiece model {bpemodel} (bpemodel in the model's config.yaml); "
                f"decode from the directory that the model was trained in, or correct the path"
            )
        return sentencepiece.SentencePieceProcessor(model_file=str(bpemodel)).decode_pieces
    raise ValueError(f"token_type: {token_type!r} is not one of {', '.join(TOKEN_TYPES)}")
