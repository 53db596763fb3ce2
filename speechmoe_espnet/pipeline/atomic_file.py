"""Files that are there whole or not at all, whenever the program is stopped."""

import os
from pathlib import Path


def write_text_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text beside a file, then put it in the file's place.

    Args:
        path: The file. Its directory must exist.
        text: What it is to hold, line ends as they are here.
    """
    beside = path.with_name(f".{path.name}.tmp.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8", newline="")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
