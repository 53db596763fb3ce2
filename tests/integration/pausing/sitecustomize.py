"""Pause a command when it starts to write a file with a given name, so that it can be killed.

Python imports this module automatically if its directory is in PYTHONPATH.
"""

import os
import sys
import time

PAUSE_AT = os.environ.get("SPEECHMOE_TEST_PAUSE_AT")


def _wait(event: str, args: tuple[object, ...]) -> None:
    if event != "open" or not isinstance(args[0], str) or "w" not in str(args[1]):
        return
    if os.path.basename(args[0]) == PAUSE_AT:
        time.sleep(120)


if PAUSE_AT:
    sys.addaudithook(_wait)
