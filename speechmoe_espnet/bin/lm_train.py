"""ESPnet's language model training; takes exactly ESPnet's arguments."""

import argparse
import sys
from collections.abc import Sequence

from speechmoe_espnet.espnet.lm_task import CheckpointedLMTask


def get_parser() -> argparse.ArgumentParser:
    """ESPnet's parser."""
    return CheckpointedLMTask.get_parser()


def main(argv: Sequence[str] | None = None) -> int:
    """Train a language model.

    Args:
        argv: Arguments without the program name; None reads sys.argv.

    Returns:
        Exit status: 0; what ESPnet raises is not caught, its traceback is needed.
    """
    CheckpointedLMTask.main(cmd=argv)
    return 0


if __name__ == "__main__":
    sys.exit(main())
