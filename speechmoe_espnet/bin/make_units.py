"""Choose the units (ESPnet's tokens) of a corpus (stage 3)."""

import argparse
import sys
from collections.abc import Sequence

from speechmoe_espnet.data.unit_dir import make_units
from speechmoe_espnet.data.units import TOKEN_TYPES, SyllablePhoneTokenizer
from speechmoe_espnet.system import cli


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(
        prog="make_units",
        description="Choose the units (ESPnet's tokens) of a corpus from its training text and "
        "print their coverage of the other sets.",
    )
    parser.add_argument("--token_type", required=True, choices=TOKEN_TYPES, help="kind of units")
    parser.add_argument("--train_dir", required=True, help="directory with the training text")
    parser.add_argument(
        "--sets", nargs="*", default=[], help="directories with the text of the other sets"
    )
    parser.add_argument("--nbpe", type=int, help="size of the SentencePiece model, for bpe")
    parser.add_argument(
        "--token_list",
        help="tokens.txt of a trained model to take over (for bpe with bpe.model beside it)",
    )
    parser.add_argument(
        "--extend",
        action="store_true",
        help="add the units of the training text that --token_list lacks (char, syllable_phone)",
    )
    parser.add_argument("--output_dir", required=True, help="directory to write")
    return parser


def make(args: argparse.Namespace) -> None:
    """Choose the units and print their coverage."""
    tokens, coverage = make_units(
        args.token_type,
        args.train_dir,
        args.sets,
        args.output_dir,
        num_pieces=args.nbpe,
        token_list=args.token_list,
        extend=args.extend,
    )
    origin = args.token_list or args.train_dir
    more = f" and {args.train_dir}" if args.extend else ""
    print(f"{len(tokens.units)} units ({args.token_type}) from {origin}{more}")
    for line in coverage:
        print(line)
    if args.token_type == "syllable_phone":
        unread = [unit for unit in tokens.units if not SyllablePhoneTokenizer.has_reading(unit)]
        if unread:
            shown = " ".join(unread[:10]) + (" ..." if len(unread) > 10 else "")
            print(f"{len(unread)} units are words without a reading: {shown}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return cli.run(make, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
