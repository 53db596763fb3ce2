"""Decode with ESPnet's ASR inference, SpeechMoE registered; the arguments are ESPnet's."""

import argparse
import sys
from collections.abc import Sequence

from espnet2.bin import asr_inference

from speechmoe_espnet.espnet.option_files import check_option_files
from speechmoe_espnet.espnet.patches import (
    files_alone,
    inference_help,
    inference_task,
)
from speechmoe_espnet.espnet.task import SpeechMoEASRTask
from speechmoe_espnet.system.cli import run_espnet, with_plain_percents


def get_parser() -> argparse.ArgumentParser:
    """Return ESPnet's parser."""
    return with_plain_percents(asr_inference.get_parser())


def main(argv: Sequence[str] | None = None) -> int:
    """Decode with ESPnet's joint CTC/attention beam search.

    Args:
        argv: Arguments without the program name; None reads sys.argv.

    Returns:
        Exit status: 0, or 1 for a damaged or incomplete model; ESPnet's own errors are raised.
    """

    def command() -> None:
        check_option_files(argv)
        asr_inference.main(cmd=argv)

    with inference_help(), inference_task(SpeechMoEASRTask), files_alone():
        return run_espnet("asr_inference", command)


if __name__ == "__main__":
    sys.exit(main())
