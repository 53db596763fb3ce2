"""Record which command opens which `text` or `lm_text`, in the file SPEECHMOE_TEST_OPENED.

Record the number of torch threads of each command, in the file SPEECHMOE_TEST_THREADS.

Python imports this module automatically if its directory is in PYTHONPATH.
"""

import atexit
import os
import sys

OPENED = os.environ.get("SPEECHMOE_TEST_OPENED")
THREADS = os.environ.get("SPEECHMOE_TEST_THREADS")


def _note(event: str, args: tuple[object, ...]) -> None:
    if event != "open" or not isinstance(args[0], str | os.PathLike):
        return
    path = os.path.abspath(os.fspath(args[0]))
    writes = any(mode in str(args[1]) for mode in "wxa")
    if os.path.basename(path) not in ("text", "lm_text") or writes:
        return
    _append(OPENED, path)


def _append(path: str, text: str) -> None:
    command = next((word for word in sys.orig_argv if "speechmoe_espnet" in word), sys.argv[0])
    name = os.path.basename(command).removesuffix(".py").rpartition(".")[2]
    # One write, so that lines stay complete.
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{name}\t{text}\n".encode())
    os.close(file)


def _note_threads() -> None:
    if "torch" in sys.modules:
        _append(THREADS, str(sys.modules["torch"].get_num_threads()))


if THREADS:
    atexit.register(_note_threads)
if OPENED:
    sys.addaudithook(_note)
