"""Stage 4: shapes, means and variances of the training and the development set."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from speechmoe_espnet.data.feature_stats import SetFiles, collect_stats
from speechmoe_espnet.data.unit_dir import BPE_MODEL
from speechmoe_espnet.data.units import TOKEN_TYPES
from speechmoe_espnet.data.worker_options import add_worker_options, workers_of
from speechmoe_espnet.system import cli


def get_parser() -> cli.ArgumentParser:
    """Make the command's parser."""
    parser = cli.ArgumentParser(
        prog="collect_stats",
        description="Write what ESPnet's --collect_stats writes: the shapes that its batch "
        "samplers want, and the sums that global_mvn wants.",
    )
    parser.add_argument("--train_dir", type=Path, required=True, help="features of stage 2")
    parser.add_argument("--dev_dir", type=Path, required=True, help="features of stage 2")
    parser.add_argument("--units_dir", type=Path, required=True, help="units of stage 3")
    parser.add_argument("--token_type", choices=TOKEN_TYPES, required=True, help="kind of units")
    add_worker_options(parser)
    parser.add_argument("--output_dir", type=Path, required=True, help="directory to write")
    return parser


def collect(args: argparse.Namespace) -> None:
    """Run the command."""
    # Syllables are looked up once, in stage 3; ESPnet reads them as words.
    syllables = args.token_type == "syllable_phone"
    train, dev = (
        SetFiles(
            folder / "feats.scp", (args.units_dir / folder.name if syllables else folder) / "text"
        )
        for folder in (args.train_dir, args.dev_dir)
    )
    with workers_of(args) as workers:
        collect_stats(
            train,
            dev,
            token_list=args.units_dir / "tokens.txt",
            token_type="word" if syllables else args.token_type,
            output_dir=args.output_dir,
            workers=workers,
            bpe_model=args.units_dir / BPE_MODEL,
            progress=cli.progress,
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    return cli.run(collect, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
