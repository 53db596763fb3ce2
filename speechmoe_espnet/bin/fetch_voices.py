"""Fetch natural voices: the folder that `--voices kokoro` and `make_speech` read."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from speechmoe_espnet.system import cli


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(prog="fetch_voices", description=__doc__)
    parser.add_argument("--output_dir", type=Path, required=True, help="directory to write")
    parser.add_argument(
        "--styles",
        type=Path,
        help="the npm package kokoro-js as a file (default: npm fetches it from the registry that "
        "is configured on this machine)",
    )
    parser.add_argument(
        "--fast",
        action="store_true",
        help="the model in parts that OpenVINO runs in bfloat16: two to three times as fast on "
        "processors with matrix units (AMX); needs the extra fast_voices",
    )
    return parser


def fetch(args: argparse.Namespace) -> None:
    """Write the folder.

    Args:
        args: Parsed arguments of `get_parser`.

    Raises:
        ValueError: Something is missing or is not the release that is expected.
    """
    from speechmoe_espnet.corpora.synthetic.fetched_voices import write_voices

    count = write_voices(args.output_dir, args.styles, fast=args.fast)
    print(f"{args.output_dir}: Kokoro-82M with {count} voices")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see `--help`."""
    return cli.run(fetch, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
