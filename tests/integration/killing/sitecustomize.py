"""Kill a worker of a Dask cluster when it opens a file with a given name, or moves one to it.

SPEECHMOE_TEST_KILL has the names. A name that ends with `:once` kills no second process; it notes
in the folder SPEECHMOE_TEST_KILLED that it has killed one.

Python imports this module automatically if its directory is in PYTHONPATH.
"""

import multiprocessing
import os
import signal
import sys

ONCE = ":once"
KILL = os.environ.get("SPEECHMOE_TEST_KILL", "").split()
KILLED = os.environ.get("SPEECHMOE_TEST_KILLED", "")


def _kill(event: str, args: tuple[object, ...]) -> None:
    path = args[1] if event == "os.rename" else args[0] if event == "open" else None
    if not isinstance(path, str | os.PathLike):
        return
    name = os.path.basename(path)
    once = f"{name}{ONCE}"
    if name.endswith(ONCE):
        return  # a note
    if name not in KILL and (once not in KILL or os.path.exists(os.path.join(KILLED, once))):
        return
    if multiprocessing.parent_process() is not None and "distributed" in sys.modules:
        if once in KILL:
            os.close(os.open(os.path.join(KILLED, once), os.O_CREAT))
        os.kill(os.getpid(), signal.SIGKILL)


if any(KILL):
    sys.addaudithook(_kill)
