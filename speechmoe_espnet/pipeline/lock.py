"""Lock on the target of a stage, held as long as any process works on it."""

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

from speechmoe_espnet.pipeline.digests import read_mark
from speechmoe_espnet.pipeline.process_identity import Place, end_members, here, start_time

SECONDS_TO_WAIT_FOR_LOCK = 10.0


class TargetLock:
    """Prevents two runs from working on the same target, including children of a killed run.

    The command inherits the open lock file, so the lock is held until the last of its processes has
    ended. If only orphans of a killed run hold the lock, they are terminated: processes of this
    machine and container that are in the process group of the command, while one of the group has
    the lock file open. Anybody else is waited for, and named.

    Attributes:
        fd: The open lock file.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.parent / f".{target.name}.lock"
        self.fd = -1
        self._owner: dict[str, Any] = {}

    def __enter__(self) -> "TargetLock":
        """Take the lock.

        Raises:
            ValueError: Another run holds the lock.
        """
        deadline = time.monotonic() + SECONDS_TO_WAIT_FOR_LOCK
        while not self._acquire():
            owner = read_mark(self.path) or {}
            if time.monotonic() > deadline:
                raise ValueError(
                    f"another run ({_words(owner)}) is working on {self.target}; wait for it or "
                    f"stop it"
                )
            if _has_ended(owner) and _is_number(owner.get("group")):
                end_members(owner["group"], self.path)
            time.sleep(0.2)
        pid = os.getpid()
        self._owner = {"pid": pid, "started": start_time(pid), **here()._asdict()}
        self._write({})
        return self

    def in_command(self) -> None:
        """Record the process group of the command; called in its process, before it begins."""
        self._write({"group": os.getpid()})

    def __exit__(self, *_: object) -> None:
        """Release the lock."""
        self.path.unlink(missing_ok=True)
        os.close(self.fd)

    def _acquire(self) -> bool:
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(self.fd).st_ino == self.path.stat().st_ino:
                return True
        except (BlockingIOError, FileNotFoundError):
            os.close(self.fd)
            return False
        os.close(self.fd)
        return False

    def _write(self, more: dict[str, int]) -> None:
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, json.dumps({**self._owner, **more}).encode(), 0)


def _has_ended(owner: dict[str, Any]) -> bool:
    """Whether the owner of a lock was a process of this machine and container, and has ended."""
    if Place.of(owner) != here() or not _is_number(owner.get("pid")):
        return False
    return start_time(owner["pid"]) != owner.get("started")


def _is_number(value: object) -> bool:
    return type(value) is int and value > 1


def _words(owner: dict[str, Any]) -> str:
    pid, place = owner.get("pid", "unknown"), Place.of(owner)
    if place is None or place == here():
        return f"process {pid}"
    same = here().host == place.host and here().boot == place.boot
    return f"process {pid} on {place.host}{', in another container' if same else ''}"
