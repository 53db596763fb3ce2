"""Train with ESPnet's ASR training, SpeechMoE registered; the arguments are ESPnet's."""

import argparse
import sys
import traceback
from collections.abc import Sequence

from speechmoe_espnet.espnet.task import SpeechMoEASRTask


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
        ValueError: Code outside this package failed, so that the traceback is needed.
    """
    try:
        SpeechMoEASRTask.main(cmd=argv)
    except ValueError as error:
        if not _raised_here(error):
            raise
        print(f"asr_train: error: {error}", file=sys.stderr)
        return 1
    return 0


def _raised_here(error: ValueError) -> bool:
    """Whether this package raised the error itself, because of a user's mistake."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals["__name__"]).startswith("speechmoe_espnet.")


if __name__ == "__main__":
    sys.exit(main())
