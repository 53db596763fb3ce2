"""ESPnet's ASR training with SpeechMoE registered; takes exactly ESPnet's arguments."""

import argparse
import sys
from collections.abc import Sequence

from speechmoe_espnet.task import SpeechMoEASRTask


def get_parser() -> argparse.ArgumentParser:
    """ESPnet's parser."""
    return SpeechMoEASRTask.get_parser()


def main(argv: Sequence[str] | None = None) -> int:
    """Train a model, or collect statistics with --collect_stats true.

    Args:
        argv: Arguments without the program name; None reads sys.argv.

    Returns:
        Exit status: 0, or 1 where the configuration or the data is at fault.
    """
    try:
        SpeechMoEASRTask.main(cmd=argv)
    except ValueError as error:
        print(f"asr_train: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
