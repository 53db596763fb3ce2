"""Token list of a model: the token of each output.

ESPnet fixes the layout: `<blank>` is 0, `<unk>` is 1 and `<sos/eos>` is last.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from speechmoe_espnet.data.text_file import read_lines

BLANK = "<blank>"
UNK = "<unk>"
SOS_EOS = "<sos/eos>"


@dataclass(frozen=True)
class TokenList:
    """Tokens by id.

    Attributes:
        tokens: `<blank>`, `<unk>`, the units, `<sos/eos>`.
    """

    tokens: tuple[str, ...]

    def __post_init__(self) -> None:
        for number, token in enumerate(self.tokens):
            if not isinstance(token, str):
                raise ValueError(f"token {number} must be text, got {token!r}")
        if self.tokens[:2] != (BLANK, UNK) or self.tokens[-1:] != (SOS_EOS,):
            raise ValueError(
                f"tokens must start with {BLANK} and {UNK} and end with {SOS_EOS}, got "
                f"{', '.join(self.tokens[:2])}, ..., {', '.join(self.tokens[-1:])}"
            )
        seen: set[str] = set()
        for number, token in enumerate(self.tokens):
            if token.split() != [token]:
                raise ValueError(f"token {number} must not be empty or hold space, got {token!r}")
            if token in seen:
                raise ValueError(f"token {number} occurs twice: {token}")
            seen.add(token)

    @classmethod
    def from_units(cls, units: Iterable[str]) -> Self:
        """Make a token list from units, which are sorted.

        Raises:
            ValueError: A unit is empty, contains white space or has the name of a special token.
        """
        return cls((BLANK, UNK, *sorted(set(units)), SOS_EOS))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a token list, one token per line.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is not a token list; the message names the file.
        """
        lines = read_lines(path)
        try:
            return cls(tuple(lines))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def extended(self, units: Iterable[str]) -> Self:
        """Return the list with more units, sorted, after those that it has.

        Tokens keep their ids, except `<sos/eos>`, which is last.

        Raises:
            ValueError: A unit is empty, contains white space or has the name of a special token.
        """
        new = sorted(set(units) - set(self.units))
        return type(self)((*self.tokens[:-1], *new, SOS_EOS))

    def write(self, path: str | Path) -> None:
        """Write the list, one token per line."""
        Path(path).write_text("\n".join(self.tokens) + "\n", encoding="utf-8")

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def units(self) -> tuple[str, ...]:
        """Tokens without the three special tokens."""
        return self.tokens[2:-1]
