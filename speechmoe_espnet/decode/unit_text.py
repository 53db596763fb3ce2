"""Conversion of unit ids to the text that is written and scored."""

from collections.abc import Callable, Sequence
from pathlib import Path

from speechmoe_espnet.data.units import BpeTokenizer

UNKNOWN = "<unk>"
SPACE = "<space>"
PIECE_SPACE = "▁"
"""SentencePiece's mark of a space."""
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
        ValueError: The token type is unknown, bpe lacks its model, or the model is damaged.
        FileNotFoundError: The SentencePiece model does not exist.
    """

    def __init__(
        self, units: Sequence[str], token_type: str, bpemodel: str | Path | None = None
    ) -> None:
        self.units = tuple(units)
        self._is_spelled = token_type != "word"
        self._join = _joiner(token_type, bpemodel)
        self._silent = {self.units[0], UNKNOWN, "<sos/eos>", "<sos>", "<eos>"}

    def __call__(self, unit_ids: Sequence[int]) -> str:
        """Return the text of unit ids, without white space around it."""
        return " ".join(self._join(self.visible(unit_ids)).split())

    def visible(self, unit_ids: Sequence[int]) -> list[str]:
        """Return the units of unit ids, without those that have no text."""
        units = [self.units[unit_id] for unit_id in unit_ids]
        return [unit for unit in units if unit not in self._silent]

    def words(self, unit_ids: Sequence[int]) -> list[tuple[str, int, int]]:
        """Group units into what has a time of its own: words, characters or syllables.

        Letters and pieces of alphabetic script are joined up to a space, others stand alone.

        Returns:
            Text of each, and its first unit and the one after its last in the sequence.
        """
        found: list[tuple[str, int, int]] = []
        goes_on = False
        for number, unit_id in enumerate(unit_ids):
            unit = self.units[unit_id]
            if unit in self._silent:
                continue
            text = unit if not self._is_spelled else unit.replace(PIECE_SPACE, " ")
            text = " " if unit == SPACE else text
            begins = not goes_on or text.startswith(" ") or not _is_alphabetic(text)
            word = text.strip()
            if word and begins:
                found.append((word, number, number + 1))
            elif word:
                found[-1] = (found[-1][0] + word, found[-1][1], number + 1)
            goes_on = self._is_spelled and _is_alphabetic(text)
        return found


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


def _is_alphabetic(text: str) -> bool:
    """Whether a text ends in a letter of a script that has cases, or an apostrophe."""
    last = text[-1:]
    return last == "'" or (last.isalpha() and (last.islower() or last.isupper()))


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
        return BpeTokenizer.load(bpemodel).decode
    raise ValueError(f"token_type: {token_type!r} is not one of {', '.join(TOKEN_TYPES)}")
