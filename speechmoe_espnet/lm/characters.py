"""Character data of a neural language model, in the layout that ESPnet's lm_train reads.

Characters are those that scoring compares: normalised, without spaces or punctuation. One model
therefore rescores the hypotheses of any search, whatever its units and words.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from speechmoe_espnet.data.table import write_table
from speechmoe_espnet.data.tokens import TokenList
from speechmoe_espnet.lm.sentences import KALDI_TEXT, read_sentences

TOKENS_FILE = "tokens.txt"
SHAPE_FILE = "text_shape"


@dataclass(frozen=True)
class CharacterData:
    """Sizes of the character data.

    Attributes:
        num_tokens: Entries of the token list.
        train_sentences: Sentences of the training text.
        train_characters: Characters of the training text.
        dev_sentences: Sentences of the dev text.
        dev_characters: Characters of the dev text.
        dev_unknown: Characters of the dev text that do not occur in the training text.
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


def make_character_data(
    train_texts: Sequence[str | Path],
    dev_text: str | Path,
    output_dir: str | Path,
    max_sentences: int | None = None,
    *,
    simplified: bool = False,
) -> CharacterData:
    """Write `tokens.txt` and, for train and dev, `text` with ids and its shapes.

    Args:
        train_texts: Training text files, see `lm.sentences.read_lines`; a sentence that occurs in
            several files counts several times.
        dev_text: File with held-out text.
        output_dir: Directory to write, made if needed.
        max_sentences: Maximum number of training sentences; a fixed random subset is used.
        simplified: Whether to write traditional characters as simplified ones.

    Returns:
        Sizes of the written data.

    Raises:
        FileNotFoundError: A file does not exist.
        ValueError: No file is given, one is given twice or has no text, or max_sentences is
            not at least 1.
    """
    if max_sentences is not None and max_sentences < 1:
        raise ValueError(f"max_sentences must be at least 1, got {max_sentences}")
    train = [
        "".join(sentence) for sentence in read_sentences(train_texts, "char", simplified=simplified)
    ]
    dev = [
        "".join(sentence) for sentence in read_sentences([dev_text], "char", simplified=simplified)
    ]
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


def _write_set(directory: Path, sentences: Sequence[str]) -> None:
    """Write sentences with ids; shapes are lengths alone, so that batch_bins counts characters."""
    directory.mkdir(exist_ok=True)
    table = {f"sentence_{number:08d}": text for number, text in enumerate(sentences, start=1)}
    write_table(directory / KALDI_TEXT, table)
    write_table(directory / SHAPE_FILE, {name: str(len(text)) for name, text in table.items()})
