"""Combine Kaldi data directories into one, some of them several times."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from speechmoe_espnet.system import cli


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(
        prog="combine_data",
        description="Combine Kaldi data directories into one, as Kaldi's combine_data.sh: ids "
        "begin with the name of their source, paths of audio become absolute.",
    )
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="NAME=DIR[*COPIES]",
        help="name for the ids, data directory, and how often to take it (default: 1); paths in "
        "its wav.scp start here or at DIR",
    )
    parser.add_argument("--output_dir", type=Path, required=True, help="directory to write")
    return parser


def combine(args: argparse.Namespace) -> None:
    """Write the directory.

    Args:
        args: Parsed arguments of `get_parser`.

    Raises:
        ValueError: A source is not written as it should be, or is not valid.
        FileNotFoundError: A directory or a file in it does not exist.
    """
    from speechmoe_espnet.data.combining import Source, combine
    from speechmoe_espnet.data.kaldi_dir import DataDir
    from speechmoe_espnet.data.segment_ends import with_ends

    sources = []
    for words in args.sources:
        name, equals, where = words.partition("=")
        folder, times, copies = where.rpartition("*")
        if not times:
            folder, copies = where, "1"
        if not equals or not name.isidentifier() or not folder or not copies.isdecimal():
            raise ValueError(f"expected NAME=DIR or NAME=DIR*COPIES, got {words!r}")
        sources.append(Source(name, DataDir.load(folder), int(copies)))
    data = with_ends(combine(args.output_dir, sources))
    data.write(args.output_dir)
    speakers = len(set(data.utt2spk.values()))
    print(f"{args.output_dir}: {len(data.text)} utterances, {speakers} speakers")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see `--help`."""
    return cli.run(combine, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
