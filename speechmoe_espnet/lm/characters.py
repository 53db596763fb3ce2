"""Character data of a neural language model, in the layout that ESPnet's lm_train reads.

Characters are those that scoring compares: normalised, without spaces or punctuation. So one model
rescores the hypotheses of any search, whatever its units and words.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from speechmoe_espnet.data.table import read_table, write_table
from speechmoe_espnet.data.text_norm import normalize_text
from speechmoe_espnet.data.tokens import TokenList

KALDI_TEXT = "text"
TOKENS_FILE = "tokens.txt"
SHAPE_FILE = "text_shape"


@dataclass(frozen=True)
class CharacterData:
    """How much text there is.

    Attributes:
        num_tokens: Entries of the token list.
        train_sentences: Sentences to learn from.
        train_characters: Their characters.
        dev_sentences: Sentences held out.
        dev_characters: Their characters.
        dev_unknown: Of these, those that do not occur in the training text.
    """

    num_tokens: int
    train_sentences: int
    train_characters: int
    dev_sentences: int
    dev_characters: int
    dev_unknown: int

    def __str__(self) -> str:
        return (
            f"{self.train_sentences} sentences with {self.train_characters} characters, "
            f"{self.num_tokens} tokens; dev: {self.dev_sentences} sentences with "
            f"{self.dev_characters} characters, {self.dev_unknown} of them unknown"
        )


def read_sentences(path: str | Path) -> list[str]:
    """Read the sentences of a file.

    Args:
        path: A file named `text` is Kaldi's, with an id on each line; any other is plain, a
            sentence a line. UTF-8.

    Returns:
        Sentences as characters without spaces, none of them empty.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not UTF-8, a Kaldi line is wrong, or nothing is left of any line after
            normalisation.
    """
    path = Path(path)
    if path.name == KALDI_TEXT:
        lines: Iterable[str] = read_table(path).values()
    else:
        lines = _plain_lines(path)
    sentences = [sentence for sentence in map(normalize_text, lines) if sentence]
    if not sentences:
        raise ValueError(f"{path}: no text: nothing is left of any line after normalisation")
    return sentences


def make_character_data(
    train_texts: Sequence[str | Path],
    dev_text: str | Path,
    output_dir: str | Path,
    max_sentences: int | None = None,
) -> CharacterData:
    """Write `tokens.txt` and, for train and dev, `text` with ids and its shapes.

    Args:
        train_texts: Files to learn from, see `read_sentences`; a sentence that several hold
            counts several times.
        dev_text: File with held-out text.
        output_dir: Directory to write, made if needed.
        max_sentences: Learn from so many sentences at most, drawn by chance, always the same.

    Returns:
        What was written.

    Raises:
        FileNotFoundError: A file does not exist.
        ValueError: No file is given, one has no text, or max_sentences is not at least 1.
    """
    if not train_texts:
        raise ValueError("train_texts: no file given to learn from")
    if max_sentences is not None and max_sentences < 1:
        raise ValueError(f"max_sentences must be at least 1, got {max_sentences}")
    train = [sentence for path in train_texts for sentence in read_sentences(path)]
    dev = read_sentences(dev_text)
    if max_sentences is not None and len(train) > max_sentences:
        train = random.Random(0).sample(train, max_sentences)
    tokens = TokenList.from_units({character for sentence in train for character in sentence})
    output_dir = Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    tokens.write(output_dir / TOKENS_FILE)
    _write_set(output_dir / "train", train)
    _write_set(output_dir / "dev", dev)
    known = set(tokens.units)
    return CharacterData(
        num_tokens=len(tokens),
        train_sentences=len(train),
        train_characters=sum(map(len, train)),
        dev_sentences=len(dev),
        dev_characters=sum(map(len, dev)),
        dev_unknown=sum(character not in known for sentence in dev for character in sentence),
    )


def _plain_lines(path: Path) -> list[str]:
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        return path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{path}:{line}: not UTF-8; convert the file, e.g. `iconv -f GB18030 -t UTF-8`"
        ) from None


def _write_set(directory: Path, sentences: Sequence[str]) -> None:
    """Write sentences with ids; shapes are lengths alone, so that batch_bins are characters."""
    directory.mkdir(exist_ok=True)
    table = {f"sentence_{number:08d}": text for number, text in enumerate(sentences, start=1)}
    write_table(directory / KALDI_TEXT, table)
    write_table(directory / SHAPE_FILE, {name: str(len(text)) for name, text in table.items()})
