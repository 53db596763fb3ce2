"""Print what a decode YAML needs and gives, for scripts: method, search input, n-best lists."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from speechmoe_espnet.decode.config import DecodeConfig
from speechmoe_espnet.system import cli


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(prog="describe_decoding", description=__doc__)
    parser.add_argument("config", type=Path, help="decode YAML")
    return parser


def describe(args: argparse.Namespace) -> None:
    """Print the method, the input of its search (`graph`, `ngram`, `nothing`) and its hypotheses.

    Args:
        args: Parsed arguments of `get_parser`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a decode configuration.
    """
    config = DecodeConfig.from_yaml(args.config)
    needs = "graph" if config.needs_graph else "ngram" if config.needs_ngram else "nothing"
    print(config.method, needs, config.nbest)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see `--help`."""
    return cli.run(describe, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
