"""Command line options of the rule that transcripts go through."""

import argparse

from speechmoe_espnet.data.transcripts import REFUSE, UNKNOWN_MARKS, TextRule


def add_text_options(parser: argparse.ArgumentParser) -> None:
    """Add `--unknown_marks` and `--simplify`."""
    parser.add_argument(
        "--unknown_marks",
        choices=UNKNOWN_MARKS,
        default=REFUSE,
        help="what to do with marks in transcripts whose names are unknown, such as <abc>: refuse "
        "is an error, keep keeps their letters, strip removes them",
    )
    add_simplify_option(parser)


def add_simplify_option(parser: argparse.ArgumentParser) -> None:
    """Add `--simplify`."""
    parser.add_argument(
        "--simplify",
        action="store_true",
        help="write traditional characters as simplified ones (needs the extra traditional)",
    )


def text_rule(args: argparse.Namespace) -> TextRule:
    """Return the rule that the options ask for."""
    return TextRule(args.unknown_marks, args.simplify)
