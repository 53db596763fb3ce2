"""Notes which command opens which `text` or `lm_text`, in the file SPEECHMOE_TEST_OPENED names.

Notes as well how many threads torch had in a command, where SPEECHMOE_TEST_THREADS names a file.

Python imports this on its own where PYTHONPATH names this folder.
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
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)  # one write: lines stay whole
    os.write(file, f"{name}\t{text}\n".encode())
    os.close(file)


def _note_threads() -> None:
    if "torch" in sys.modules:
        _append(THREADS, str(sys.modules["torch"].get_num_threads()))


if THREADS:
    atexit.register(_note_threads)
if OPENED:
    sys.addaudithook(_note)
