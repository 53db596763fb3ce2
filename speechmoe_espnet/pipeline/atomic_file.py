"""Atomic files: complete or absent, even if the program is killed while writing."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def write_text_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text to a temporary file, then rename it to its final name.

    Args:
        path: File to write. Its directory must exist.
        text: Contents; line ends are not converted.
    """
    with written_beside(path) as file:
        file.write(text.encode("utf-8"))


@contextmanager
def written_beside(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that gets its final name when the block ends.

    Processes that write the same file do not touch what another one has begun: of a task that is
    done twice on a cluster, one may be killed at any time.

    Args:
        path: File to write. Its directory must exist.
    """
    beside = path.with_name(f".{path.name}.tmp.{secrets.randbits(48)}")
    try:
        with beside.open("wb") as file:
            yield file
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what killed processes left of `written_beside` in a folder and those below it."""
    for path, _, names in os.walk(folder):
        for name in names:
            if name.startswith(".") and ".tmp." in name:
                Path(path, name).unlink(missing_ok=True)
