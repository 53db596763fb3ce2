"""Write the training data of a character language model."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from speechmoe_espnet.data.text_options import add_simplify_option
from speechmoe_espnet.lm.characters import make_character_data
from speechmoe_espnet.system.cli import ArgumentParser, run


def get_parser() -> ArgumentParser:
    """Return the command's options."""
    parser = ArgumentParser(
        prog="make_lm_data",
        description="Write token list, texts with ids and shapes for a character language model. "
        "Files named `text` have an id on each line, other files one sentence per line.",
    )
    parser.add_argument(
        "--train_texts", type=Path, nargs="+", required=True, help="training text files"
    )
    parser.add_argument("--dev_text", type=Path, required=True, help="file with held-out text")
    parser.add_argument(
        "--max_sentences", type=int, help="maximum number of training sentences (default: all)"
    )
    add_simplify_option(parser)
    parser.add_argument("--output_dir", type=Path, required=True, help="directory to write")
    return parser


def make(args: argparse.Namespace) -> None:
    """Write the data and print their sizes.

    Args:
        args: Parsed arguments of `get_parser`.

    Raises:
        FileNotFoundError: A file does not exist.
        ValueError: A file cannot be read or has no text.
    """
    print(
        make_character_data(
            args.train_texts,
            args.dev_text,
            args.output_dir,
            args.max_sentences,
            simplified=args.simplify,
        )
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see `--help`."""
    return run(make, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
