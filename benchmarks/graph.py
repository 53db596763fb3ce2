"""Time and memory of building a decoding graph, by size of the lexicon.

The lexicon has words of one to four random tonal syllables, with many homophones as in Mandarin.
The language model is a random back-off model: words are drawn by Zipf's law, and the history of
each n-gram is one of the shorter n-grams. `make_graph` builds each size in a separate process.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.result import Row
from benchmarks.timing import Spread
from speechmoe_espnet.data.lexicon import Lexicon
from speechmoe_espnet.data.tokens import TokenList
from speechmoe_espnet.lm.arpa import Ngram, NgramModel, write_arpa

NUM_SYLLABLES = 1300
SIZES = (10_000, 100_000)
NGRAMS_A_WORD = (5, 5, 1, 1)
"""Number of n-grams of order 2, 3, 4 and 5 per word."""
LENGTHS = (0.05, 0.65, 0.2, 0.1)
"""Shares of words of one, two, three and four syllables."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--num_words", type=int, nargs="+", default=list(SIZES), help="sizes of the lexicon"
    )


def run(args: argparse.Namespace) -> list[Row]:
    """Measure.

    Args:
        args: num_words, rounds and quick.

    Returns:
        Rows of seconds, peak memory and size of the graph, by size of the lexicon.

    Raises:
        ValueError: A size is not positive.
    """
    if any(size < 1 for size in args.num_words):
        raise ValueError(f"--num_words must be at least 1, got {args.num_words}")
    sizes = [200] if args.quick else args.num_words
    rows: list[Row] = []
    for size in sizes:
        found = [_build(size) for _ in range(args.rounds or 1)]
        case = f"{size} words, {found[0]['ngrams']:.0f} n-grams"
        for measure, key, unit, divisor in (
            ("time", "seconds", "s", 1),
            ("peak memory", "peak_memory_mib", "MiB", 1),
            ("graph on disk", "bytes", "MiB", 2**20),
            ("arcs", "arcs", "", 1),
        ):
            values = Spread.of([summary[key] / divisor for summary in found])
            rows.append(Row(case, measure, "make_graph", unit, values))
    return rows


def _build(num_words: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        _write_inputs(top, num_words)
        command = [sys.executable, "-m", "speechmoe_espnet.bin.make_graph"]
        command += ["--lexicon", str(top / "lexicon.txt"), "--arpa", str(top / "lm.arpa")]
        command += ["--token_list", str(top / "tokens.txt"), "--output_dir", str(top / "graph")]
        subprocess.run(command, check=True, stdout=sys.stderr)
        summary = json.loads((top / "graph" / "graph.json").read_text(encoding="utf-8"))
    keys = ("seconds", "peak_memory_mib", "bytes", "arcs")
    return {"ngrams": sum(summary["num_ngrams"]), **{key: summary[key] for key in keys}}


def _write_inputs(folder: Path, num_words: int) -> None:
    rng = np.random.default_rng(0)
    syllables = [f"s{number}" for number in range(NUM_SYLLABLES)]
    TokenList.from_units(syllables).write(folder / "tokens.txt")
    words = [f"w{number}" for number in range(num_words)]
    lengths = rng.choice(np.arange(1, len(LENGTHS) + 1), size=num_words, p=LENGTHS)
    Lexicon(
        {
            word: (tuple(syllables[i] for i in rng.integers(NUM_SYLLABLES, size=length)),)
            for word, length in zip(words, lengths, strict=True)
        }
    ).write(folder / "lexicon.txt")
    write_arpa(folder / "lm.arpa", _random_model(words, rng))


def _random_model(words: list[str], rng: np.random.Generator) -> NgramModel:
    shares = 1.0 / np.arange(1, len(words) + 1)
    shares /= shares.sum()
    log10 = np.log10(shares)
    ngrams: dict[Ngram, tuple[float, float]] = {("<s>",): (-99.0, -0.5), ("</s>",): (-1.0, 0.0)}
    ngrams |= {(word,): (float(prob), -0.5) for word, prob in zip(words, log10, strict=True)}
    histories: list[Ngram] = [(word,) for word in words]
    order = len(NGRAMS_A_WORD) + 1
    for length, factor in enumerate(NGRAMS_A_WORD, start=2):
        count = factor * len(words)
        # Frequent words and early n-grams are extended more often.
        chosen = (len(histories) * rng.random(count) ** 2).astype(np.int64)
        following = rng.choice(len(words), size=count, p=shares)
        backoff = 0.0 if length == order else -0.5
        made = {
            (*histories[history], words[word]): (-1.5, backoff)
            for history, word in zip(chosen.tolist(), following.tolist(), strict=True)
        }
        ngrams |= made
        histories = list(made)
    return NgramModel(order, ngrams)
