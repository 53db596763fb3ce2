"""Check Kaldi data directories: files, ids, segments and audio paths."""

import argparse
import sys
from collections.abc import Sequence

from speechmoe_espnet.data.kaldi_dir import validate_data_dir
from speechmoe_espnet.system import cli


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(
        prog="validate_data_dir",
        description="Check Kaldi data directories (files, ids, segments, audio paths) and print a "
        "summary.",
    )
    parser.add_argument("data_dirs", nargs="+", help="Kaldi data directories")
    parser.add_argument(
        "--durations",
        action="store_true",
        help="also read audio headers and print the duration in hours",
    )
    return parser


def validate(args: argparse.Namespace) -> None:
    """Check the directories and print a summary of each."""
    for path in args.data_dirs:
        data = validate_data_dir(path)
        line = (
            f"{path}: {len(data.text)} utterances, {len(data.wav_scp)} recordings, "
            f"{len(set(data.utt2spk.values()))} speakers"
        )
        if args.durations:
            from speechmoe_espnet.data.audio import total_seconds

            line += f", {total_seconds(data) / 3600:.2f} h"
        print(line)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return cli.run(validate, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
