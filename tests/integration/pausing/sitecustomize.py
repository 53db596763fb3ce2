"""Pause a command when it starts to write a file with a given name, or moves one to that name.

It can then be killed at a known place.

Python imports this module automatically if its directory is in PYTHONPATH.
"""

import os
import sys
import time

PAUSE_AT = os.environ.get("SPEECHMOE_TEST_PAUSE_AT")


def _wait(event: str, args: tuple[object, ...]) -> None:
    if event == "os.rename":
        path = args[1]
    elif event == "open" and "w" in str(args[1]):
        path = args[0]
    else:
        return
    if isinstance(path, str | os.PathLike) and os.path.basename(path) == PAUSE_AT:
        time.sleep(120)


if PAUSE_AT:
    sys.addaudithook(_wait)
