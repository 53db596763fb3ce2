"""Train a language model with ESPnet's training; the arguments are ESPnet's."""

import argparse
import sys
from collections.abc import Sequence

from speechmoe_espnet.espnet.lm_task import CheckpointedLMTask


def get_parser() -> argparse.ArgumentParser:
    """Return ESPnet's parser."""
    return CheckpointedLMTask.get_parser()


def main(argv: Sequence[str] | None = None) -> int:
    """Train a language model.

    Args:
        argv: Arguments without the program name; None reads sys.argv.

    Returns:
        Exit status 0; errors of ESPnet are raised, with their traceback.
    """
    CheckpointedLMTask.main(cmd=argv)
    return 0


if __name__ == "__main__":
    sys.exit(main())
