"""Train with ESPnet's ASR training, SpeechMoE registered; the arguments are ESPnet's."""

import argparse
import sys
from collections.abc import Sequence

from speechmoe_espnet.espnet.option_files import check_option_files
from speechmoe_espnet.espnet.task import SpeechMoEASRTask
from speechmoe_espnet.system.cli import run_espnet


def get_parser() -> argparse.ArgumentParser:
    """Return ESPnet's parser."""
    return SpeechMoEASRTask.get_parser()


def main(argv: Sequence[str] | None = None) -> int:
    """Train a model, or collect statistics with --collect_stats true.

    Args:
        argv: Arguments without the program name; None reads sys.argv.

    Returns:
        Exit status: 0, or 1 for a mistake in the configuration or the data.

    Raises:
        Exception: Code outside this package failed, so that the traceback is needed.
    """

    def command() -> None:
        check_option_files(argv)
        SpeechMoEASRTask.main(cmd=argv)

    return run_espnet("asr_train", command)


if __name__ == "__main__":
    sys.exit(main())
