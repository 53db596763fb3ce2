"""Compute the features of a data directory (stage 2)."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from speechmoe_espnet.data.faults import FaultsError, listed, write_left_out
from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.feature_dir import extract_features
from speechmoe_espnet.data.text_options import add_text_options, text_rule
from speechmoe_espnet.data.worker_options import add_worker_options, workers_of
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
    parser.add_argument(
        "--own_corpus",
        action="store_true",
        help="the corpus promises no format: resample, and average channels, where --config "
        "leaves it open",
    )
    parser.add_argument(
        "--skip_bad",
        metavar="FILE",
        help="go on without utterances that have a fault, and list them in FILE",
    )
    parser.add_argument(
        "--faults", metavar="FILE", help="where to list all faults if they stop the command"
    )
    add_worker_options(parser)
    add_text_options(parser)
    return parser


def extract(args: argparse.Namespace) -> None:
    """Extract the features and print their number.

    Raises:
        FileNotFoundError: There is no data directory or configuration.
        ValueError: An option is not valid, or faults stop the command.
    """
    config = FbankConfig.from_yaml(args.config)
    if args.own_corpus:
        config = config.for_own_corpus()
    final_dir = args.final_dir or args.output_dir
    try:
        with workers_of(args) as workers:
            done = extract_features(
                args.data_dir,
                args.output_dir,
                os.path.abspath(final_dir) if args.absolute_paths else final_dir,
                config,
                workers,
                cli.progress,
                text_rule(args),
                note=print,
                skip_bad=args.skip_bad is not None,
            )
    except FaultsError as error:
        raise listed(error, args.faults) from None
    hours = done.num_frames * config.frame_shift / 3.6e6
    size = config.feature_size
    print(f"{args.data_dir}: {done.num_frames} frames ({hours:.2f} h) of {size} values")
    if done.converted:
        print(f"{args.data_dir}: {_conversions(done.converted, config)}")
    if args.skip_bad is not None:
        write_left_out(Path(args.skip_bad), done.left_out)
        print(f"{args.data_dir}: {len(done.left_out)} utterances left out: {args.skip_bad}")


def _conversions(converted: Mapping[str, int], config: FbankConfig) -> str:
    counts = ", ".join(f"{count} of {what}" for what, count in sorted(converted.items()))
    channel = "the mean of channels" if isinstance(config.channel, str) else config.channel
    return (
        f"converted to {config.sample_frequency} Hz and {channel}: {counts} (resample and "
        f"channel in --config say otherwise)"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return cli.run(extract, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
