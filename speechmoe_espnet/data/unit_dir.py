"""Units of a corpus, and their coverage of its other sets."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from speechmoe_espnet.data.kaldi_dir import read_table, write_table
from speechmoe_espnet.data.tokens import TokenList
from speechmoe_espnet.data.units import (
    TOKEN_TYPES,
    BpeTokenizer,
    CharTokenizer,
    SyllablePhoneTokenizer,
    Tokenizer,
)

BPE_MODEL = "bpe.model"


@dataclass(frozen=True)
class Coverage:
    """Coverage of a set by a token list.

    Attributes:
        name: Name of the set.
        num_units: Number of units in its text.
        unknown: Occurrences of each unit that is not in the list, the most frequent first.
    """

    name: str
    num_units: int
    unknown: tuple[tuple[str, int], ...]

    @property
    def num_unknown(self) -> int:
        """Number of units in the text that are not in the list."""
        return sum(count for _, count in self.unknown)

    def __str__(self) -> str:
        line = (
            f"{self.name}: {self.num_unknown} of {self.num_units} units out of vocabulary "
            f"({100 * self.num_unknown / self.num_units:.2f} %)"
        )
        if not self.unknown:
            return line
        shown = ", ".join(f"{unit} {count}" for unit, count in self.unknown[:10])
        return f"{line}: {shown}{', ...' if len(self.unknown) > 10 else ''}"


def make_units(
    token_type: str,
    train_dir: str | Path,
    set_dirs: Sequence[str | Path],
    output_dir: str | Path,
    num_pieces: int | None = None,
    token_list: str | Path | None = None,
    *,
    extend: bool = False,
) -> tuple[TokenList, list[Coverage]]:
    """Choose the units of a corpus from its training text, or take over those of a trained model.

    Writes tokens.txt, for bpe also bpe.model, and for syllable_phone also <set>/text: the text of
    the training set and of every other set in units.

    Args:
        token_type: "char", "bpe" or "syllable_phone".
        train_dir: Directory with the training `text`.
        set_dirs: Directories with the `text` of other sets; their names must differ.
        output_dir: Directory to write, made if needed.
        num_pieces: Size of the SentencePiece model; required for bpe without a token list.
        token_list: tokens.txt of a trained model to take over; for bpe its bpe.model must be in
            the same directory.
        extend: Whether units of the training text that the list lacks are added to it. Pieces of
            bpe are those of its model alone.

    Returns:
        The token list, and its coverage of the training set and the other sets.

    Raises:
        FileNotFoundError: A text, the token list or its bpe.model does not exist.
        ValueError: An argument is not allowed, a text is not valid, or the token list has another
            layout or none of the units of the training text.
    """
    if token_type not in TOKEN_TYPES:
        raise ValueError(f"token_type must be one of {', '.join(TOKEN_TYPES)}, got {token_type!r}")
    if num_pieces is not None and (token_type != "bpe" or token_list is not None):
        raise ValueError("nbpe is for token_type bpe without token_list only")
    if extend and (token_list is None or token_type == "bpe"):
        raise ValueError("extend is for a token_list of token_type char or syllable_phone")
    texts = _read_texts([train_dir, *set_dirs])
    train_name = Path(train_dir).name
    tokenizer = _make_tokenizer(token_type, texts[train_name], num_pieces, token_list)
    units = {
        name: dict(zip(text, _read(tokenizer, text.values()), strict=True))
        for name, text in texts.items()
    }
    for name, utterances in units.items():
        for utterance, value in utterances.items():
            if not value:
                raise ValueError(
                    f"{name}/text: {utterance}: no units in {texts[name][utterance]!r}"
                )
    if token_list is not None:
        tokens = TokenList.load(token_list)
    elif isinstance(tokenizer, BpeTokenizer):
        tokens = TokenList.from_units(tokenizer.pieces)
    else:
        tokens = TokenList.from_units(
            unit for value in units[train_name].values() for unit in value
        )
    unknown = _coverage(train_name, units[train_name], tokens)
    if unknown.num_unknown == unknown.num_units:
        raise ValueError(
            f"{token_list}: has none of the units of {train_dir}; is its token_type {token_type}?"
        )
    if extend:
        tokens = tokens.extended(unit for unit, _ in unknown.unknown)
    coverage = [_coverage(name, value, tokens) for name, value in units.items()]
    _write(Path(output_dir), tokens, tokenizer, units)
    return tokens, coverage


def _read_texts(folders: Sequence[str | Path]) -> dict[str, dict[str, str]]:
    texts: dict[str, dict[str, str]] = {}
    for folder in map(Path, folders):
        if folder.name in texts:
            raise ValueError(f"two sets are named {folder.name}: {', '.join(map(str, folders))}")
        texts[folder.name] = read_table(folder / "text")
        if not texts[folder.name]:
            raise ValueError(f"{folder / 'text'}: no utterances")
    return texts


def _make_tokenizer(
    token_type: str,
    train_text: dict[str, str],
    num_pieces: int | None,
    token_list: str | Path | None,
) -> Tokenizer:
    if token_type == "char":
        return CharTokenizer()
    if token_type == "syllable_phone":
        return SyllablePhoneTokenizer()
    if token_list is None:
        if num_pieces is None:
            raise ValueError("token_type bpe needs nbpe, the number of pieces, e.g. --nbpe 3000")
        return BpeTokenizer.train(
            (train_text[utterance] for utterance in sorted(train_text)), num_pieces
        )
    model = Path(token_list).parent / BPE_MODEL
    if not model.is_file():
        raise FileNotFoundError(
            f"no file {model}; token_type bpe needs the SentencePiece model beside {token_list}"
        )
    return BpeTokenizer.load(model)


def _read(tokenizer: Tokenizer, texts: Iterable[str]) -> Iterator[list[str]]:
    if isinstance(tokenizer, SyllablePhoneTokenizer):
        for _, readings in tokenizer.read_texts(texts):
            yield [unit for units in readings for unit in units]
    else:
        yield from map(tokenizer.text_to_units, texts)


def _coverage(name: str, units: dict[str, list[str]], tokens: TokenList) -> Coverage:
    counts = Counter(unit for value in units.values() for unit in value)
    known = set(tokens.units)
    unknown = [(unit, count) for unit, count in counts.items() if unit not in known]
    unknown.sort(key=lambda item: (-item[1], item[0]))
    return Coverage(name, counts.total(), tuple(unknown))


def _write(
    output_dir: Path,
    tokens: TokenList,
    tokenizer: Tokenizer,
    units: dict[str, dict[str, list[str]]],
) -> None:
    output_dir.mkdir(parents=True, exist_ok=True)
    tokens.write(output_dir / "tokens.txt")
    if isinstance(tokenizer, BpeTokenizer):
        (output_dir / BPE_MODEL).write_bytes(tokenizer.model)
    if isinstance(tokenizer, SyllablePhoneTokenizer):
        for name, utterances in units.items():
            (output_dir / name).mkdir(exist_ok=True)
            write_table(
                output_dir / name / "text",
                {
                    utterance: tokenizer.units_to_text(value)
                    for utterance, value in utterances.items()
                },
            )
