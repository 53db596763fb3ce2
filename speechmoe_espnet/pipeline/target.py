"""Atomic directories: written under a temporary name, then moved into place."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speechmoe_espnet.pipeline.digests import DONE, FILES, is_temporary, own_files
from speechmoe_espnet.pipeline.lock import TargetLock

OLD = ".old"


def copy_target(source: Path, target: Path) -> None:
    """Copy a finished target atomically, unless the copy exists already.

    Args:
        source: The target to copy. Targets of other stages inside it are left out.
        target: Path of the copy.

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
            if (source / FILES).exists():
                shutil.copy2(source / FILES, out / FILES)
            # Last, since a mark means that the directory is complete.
            shutil.copy2(source / DONE, out / DONE)
            out.rename(target)


@contextmanager
def fresh_directory(target: Path) -> Iterator[Path]:
    """Yield a new directory beside a target; it is removed unless it was moved."""
    out = target.parent / f".{target.name}.tmp.{os.getpid()}"
    out.mkdir()
    try:
        yield out
    finally:
        shutil.rmtree(out, ignore_errors=True)


def take_care_of_leftovers(target: Path) -> None:
    """Remove temporary files of killed runs beside the target; complete an interrupted move."""
    prefix = f".{target.name}.tmp."
    leftovers = [path for path in target.parent.iterdir() if path.name.startswith(prefix)]
    # A marked directory is complete. The new one takes precedence over the one it replaces.
    whole = [path for path in leftovers if (path / DONE).exists()]
    for path in sorted(whole, key=lambda path: path.name.endswith(OLD)):
        if not target.exists():
            path.rename(target)
    for path in leftovers:
        if path.exists():
            shutil.rmtree(path)


def remove_partial_files(target: Path) -> None:
    """Remove files that a killed command in this directory had begun to write."""
    for path in target.iterdir():
        if path.is_file() and is_temporary(path.name):
            path.unlink()


def free_backup_name(target: Path) -> Path:
    """Return a path beside a target under which it can be kept."""
    number = 1
    while (backup := target.with_name(f"{target.name}.bak.{number}")).exists():
        number += 1
    return backup


def is_worth_keeping(target: Path, checkpoint: str) -> bool:
    """Return whether a directory that is worked in holds what a run would miss.

    Args:
        target: The directory.
        checkpoint: File that a stopped command resumes from; "": any file.

    Returns:
        Whether it has that file, is finished, or holds what other stages have finished.
    """
    names = (f"*/{DONE}", DONE, checkpoint or "*")
    return any(any(target.glob(name)) for name in names)
