"""Makes a command wait where it begins to write a file of a certain name, to be killed there.

Python imports this on its own where PYTHONPATH names this folder.
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
