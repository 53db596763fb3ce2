"""ESPnet's ASR inference with SpeechMoE registered; takes exactly ESPnet's arguments."""

import argparse
import re
import sys
from collections.abc import Sequence
from unittest import mock

from espnet2.bin import asr_inference

from speechmoe_espnet.registry import register

_espnets_parser = asr_inference.get_parser


def get_parser() -> argparse.ArgumentParser:
    """ESPnet's parser, whose --help works: ESPnet 202611 left a bare % in one of its texts."""
    parser = _espnets_parser()
    for action in parser._actions:
        if action.help and action.help != argparse.SUPPRESS:
            action.help = re.sub(r"%(?![(%])", "%%", action.help)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Decode with ESPnet's joint CTC/attention beam search.

    Args:
        argv: Arguments without the program name; None reads sys.argv.

    Returns:
        Exit status 0; ESPnet's own errors are raised.
    """
    register()
    with mock.patch.object(asr_inference, "get_parser", get_parser):
        asr_inference.main(cmd=argv)
    return 0


if __name__ == "__main__":
    sys.exit(main())
