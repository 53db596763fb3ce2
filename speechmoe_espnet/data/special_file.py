"""Paths that are no files: reading a pipe waits for a writer for ever, a device may never end."""

import os
import stat
from pathlib import Path

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def special_file(path: str | Path) -> str:
    """Say what a path is that is neither a file nor a directory, and the cure; else empty.

    Raises:
        OSError: There is nothing of this name.
    """
    mode = os.stat(path).st_mode
    for is_kind, name in _KINDS:
        if is_kind(mode):
            return f"is {name}, not a file; write what it gives to a file, and name that"
    return ""
