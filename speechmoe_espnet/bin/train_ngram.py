"""Train an n-gram language model: Kneser-Ney, entropy pruning, perplexity of held-out text."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from speechmoe_espnet.data.text_options import add_simplify_option
from speechmoe_espnet.lm.ngram import PHASES, PRUNED, UNPRUNED, NgramOptions, train_ngram
from speechmoe_espnet.lm.sentences import LEVELS
from speechmoe_espnet.system import cli


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(prog="train_ngram", description=__doc__)
    parser.add_argument(
        "--texts",
        nargs="+",
        required=True,
        help="training text: Kaldi tables (named text, with ids) or plain (one sentence per line)",
    )
    parser.add_argument("--dev_text", required=True, help="held-out text for the perplexity")
    parser.add_argument("--level", choices=LEVELS, default="word", help="unit of the n-gram")
    parser.add_argument(
        "--order", type=int, default=NgramOptions.order, help="length of the longest n-grams"
    )
    parser.add_argument(
        "--min_count",
        type=int,
        default=NgramOptions.min_count,
        help="words of Hanzi that occur less often are split into characters",
    )
    parser.add_argument(
        "--prune_threshold",
        type=float,
        default=NgramOptions.prune_threshold,
        help="relative increase of perplexity below which an n-gram is pruned; 0 keeps all",
    )
    parser.add_argument(
        "--keep_unpruned",
        action="store_true",
        help=f"also write {UNPRUNED}, the model before pruning",
    )
    parser.add_argument(
        "--mix_arpa",
        type=Path,
        help="general n-gram (ARPA over words) that the one of the text is interpolated with",
    )
    parser.add_argument(
        "--mix_weight",
        type=float,
        help="its weight, above 0 and below 1 (default: the most likely one of --dev_text)",
    )
    parser.add_argument(
        "--mix_words",
        type=int,
        default=NgramOptions.mix_words,
        help="so many of its most probable words, beside those of the text and single Hanzi",
    )
    add_simplify_option(parser)
    parser.add_argument("--output_dir", type=Path, required=True, help="directory to write")
    return parser


def train(args: argparse.Namespace) -> None:
    """Train, write and describe an n-gram.

    Args:
        args: Parsed arguments of `get_parser`.

    Raises:
        FileNotFoundError: A text file does not exist.
        ValueError: An option or a text is not valid.
    """
    options = NgramOptions(
        args.level,
        args.order,
        args.min_count,
        args.prune_threshold,
        args.keep_unpruned,
        args.simplify,
        args.mix_arpa,
        args.mix_weight,
        args.mix_words,
    )
    start = time.monotonic()
    begun = 0

    def report(phase: str) -> None:
        nonlocal begun
        begun += 1
        seconds = time.monotonic() - start
        print(f"n-gram {begun}/{PHASES}, {seconds:.0f} s: {phase}", file=sys.stderr, flush=True)

    facts = train_ngram(args.texts, args.dev_text, options, args.output_dir, report)
    dev, text = facts["dev"], facts["train"]
    print(
        f"{text['sentences']} sentences, {text['tokens']} tokens ({args.level}), "
        f"{facts['vocabulary']} words"
    )
    print(
        f"dev: {dev['sentences']} sentences, {dev['tokens']} tokens, "
        f"{100 * dev['oov_rate']:.2f} % unknown"
    )
    if "mixed_with" in facts:
        print(f"weight of {args.mix_arpa}: {facts['mixed_with']['weight']:.2f}")
    for name in ("unpruned", "pruned"):
        model = facts[name]
        sizes = " ".join(map(str, model["ngrams"]))
        print(
            f"{name}: perplexity {model['perplexity']:.1f} per token, "
            f"{model['perplexity_per_character']:.1f} per character; n-grams by order {sizes}"
        )
    size = (args.output_dir / PRUNED).stat().st_size
    print(f"{PRUNED}: {size / 1e6:.1f} MB, {sum(facts['seconds'].values()):.0f} s")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see `--help`."""
    return cli.run(train, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
