"""Provenance of results: versions, commit and machine, found without importing torch."""

import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path

from speechmoe_espnet import __version__

PACKAGES = ("espnet", "torch", "numpy", "jiwer")
UNKNOWN = "unknown"


def versions() -> dict[str, str]:
    """Return the versions of Python, this package and the packages that results depend on."""
    # Imported here because it is slow, and a finished stage does not need it.
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version(), "speechmoe_espnet": __version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = UNKNOWN
    return found


def commit(directory: str | Path | None = None) -> str:
    """Return the commit of a checkout.

    Args:
        directory: A directory of the checkout; None: the directory of this package.

    Returns:
        The commit id, with `-dirty` if tracked files were changed since; `unknown` outside a
        checkout, if the package is not part of the checkout, or without git.
    """
    directory = Path(__file__).parent if directory is None else Path(directory)
    if _git(directory, "ls-files", "--", ".") in (None, ""):
        return UNKNOWN
    head = _git(directory, "rev-parse", "HEAD")
    changes = _git(directory, "status", "--porcelain", "--untracked-files=no")
    if head is None or changes is None:
        return UNKNOWN
    return head + ("-dirty" if changes else "")


def machine() -> dict[str, str | int]:
    """Return the facts about this machine that the times in a report depend on."""
    return {
        "cpu_count": os.cpu_count() or 0,
        "architecture": platform.machine(),
        "system": platform.system(),
    }


def machine_words(found: Mapping[str, str | int]) -> str:
    """Describe the result of `machine` in words."""
    return f"{found['system']} {found['architecture']}, {found['cpu_count']} CPUs"


def _git(directory: Path, *arguments: str) -> str | None:
    try:
        # Without optional locks: a stage that is killed here would leave the user's index locked.
        done = subprocess.run(
            ["git", "--no-optional-locks", *arguments],
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
