"""Directories that are there whole or not at all: made beside their place, then moved there."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speechmoe_espnet.pipeline.digests import DONE, own_files
from speechmoe_espnet.pipeline.lock import TargetLock

OLD = ".old"


def copy_target(source: Path, target: Path) -> None:
    """Copy a finished target, unless there is something already; whole or not at all.

    Args:
        source: The target to copy. What other stages made inside it is left out.
        target: Where the copy is to be.

    Raises:
        ValueError: Another run works on the target.
    """
    with TargetLock(target):
        take_care_of_leftovers(target)
        if target.exists():
            return
        with fresh_directory(target) as out:
            for name in own_files(source):
                (out / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source / name, out / name, follow_symlinks=False)
            # Last, since a marked directory is whole.
            shutil.copy2(source / DONE, out / DONE)
            out.rename(target)


@contextmanager
def fresh_directory(target: Path) -> Iterator[Path]:
    """Yield a new directory beside a target; it is removed unless it was moved away."""
    out = target.parent / f".{target.name}.tmp.{os.getpid()}"
    out.mkdir()
    try:
        yield out
    finally:
        shutil.rmtree(out, ignore_errors=True)


def take_care_of_leftovers(target: Path) -> None:
    """Remove what killed runs left beside the target; finish a move that one had begun."""
    prefix = f".{target.name}.tmp."
    leftovers = [path for path in target.parent.iterdir() if path.name.startswith(prefix)]
    # A marked directory is whole. The new one comes before the one it was to replace.
    whole = [path for path in leftovers if (path / DONE).exists()]
    for path in sorted(whole, key=lambda path: path.name.endswith(OLD)):
        if not target.exists():
            path.rename(target)
    for path in leftovers:
        if path.exists():
            shutil.rmtree(path)
