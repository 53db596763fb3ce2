"""Train a language model with ESPnet's training; the arguments are ESPnet's."""

import argparse
import sys
from collections.abc import Sequence

from speechmoe_espnet.espnet.lm_task import CheckpointedLMTask
from speechmoe_espnet.espnet.option_files import check_option_files
from speechmoe_espnet.system.cli import run_espnet


def get_parser() -> argparse.ArgumentParser:
    """Return ESPnet's parser."""
    return CheckpointedLMTask.get_parser()


def main(argv: Sequence[str] | None = None) -> int:
    """Train a language model.

    Args:
        argv: Arguments without the program name; None reads sys.argv.

    Returns:
        Exit status: 0, or 1 for a mistake in the data; errors of ESPnet are raised, with their
        traceback.
    """

    def command() -> None:
        check_option_files(argv)
        CheckpointedLMTask.main(cmd=argv)

    return run_espnet("lm_train", command)


if __name__ == "__main__":
    sys.exit(main())
