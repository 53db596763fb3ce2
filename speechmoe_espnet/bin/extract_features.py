"""Compute the features of a data directory (stage 2)."""

import argparse
import os
import sys
from collections.abc import Sequence

from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.feature_dir import extract_features
from speechmoe_espnet.data.text_options import add_text_options, text_rule
from speechmoe_espnet.system import cli


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(
        prog="extract_features",
        description="Compute Kaldi-compatible filter banks of a data directory and write them as "
        "compressed ark and scp, with the normalised text.",
    )
    parser.add_argument("--data_dir", required=True, help="Kaldi data directory to read")
    parser.add_argument("--output_dir", required=True, help="directory to write")
    parser.add_argument(
        "--final_dir", help="final path of output_dir, used in feats.scp (default: output_dir)"
    )
    parser.add_argument("--absolute_paths", action="store_true", help="absolute paths in feats.scp")
    parser.add_argument("--config", required=True, help="YAML file of feature options")
    parser.add_argument("--nj", type=int, default=1, help="number of processes")
    add_text_options(parser)
    return parser


def extract(args: argparse.Namespace) -> None:
    """Extract the features and print their number."""
    config = FbankConfig.from_yaml(args.config)
    final_dir = args.final_dir or args.output_dir
    num_frames = extract_features(
        args.data_dir,
        args.output_dir,
        os.path.abspath(final_dir) if args.absolute_paths else final_dir,
        config,
        args.nj,
        cli.progress,
        text_rule(args),
        note=print,
    )
    hours = num_frames * config.frame_shift / 3.6e6
    print(f"{args.data_dir}: {num_frames} frames ({hours:.2f} h) of {config.feature_size} values")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return cli.run(extract, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
