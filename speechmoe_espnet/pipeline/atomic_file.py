"""Atomic files: complete or absent, even if the program is killed while writing."""

import os
from pathlib import Path


def write_text_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text to a temporary file, then rename it to its final name.

    Args:
        path: File to write. Its directory must exist.
        text: Contents; line ends are not converted.
    """
    beside = path.with_name(f".{path.name}.tmp.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8", newline="")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
