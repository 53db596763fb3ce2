"""Lock on the target of a stage, held as long as any process works on it."""

import fcntl
import json
import os
import signal
import time
from pathlib import Path

from speechmoe_espnet.pipeline.digests import read_mark

SECONDS_TO_WAIT_FOR_LOCK = 10.0


class TargetLock:
    """Prevents two runs from working on the same target, including children of a killed run.

    The command inherits the open lock file, so the lock is held until the last of its processes has
    ended. If only orphans of a killed run hold the lock, they are terminated.

    Attributes:
        fd: The open lock file.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.parent / f".{target.name}.lock"
        self.fd = -1

    def __enter__(self) -> "TargetLock":
        """Take the lock.

        Raises:
            ValueError: Another run holds the lock.
        """
        deadline = time.monotonic() + SECONDS_TO_WAIT_FOR_LOCK
        while not self._acquire():
            owner = read_mark(self.path) or {}
            if "group" in owner and not _is_running(owner["pid"]):
                _end_group(owner["group"])
            elif time.monotonic() > deadline:
                raise ValueError(
                    f"another run (process {owner.get('pid', 'unknown')}) is working on "
                    f"{self.target}; wait for it or stop it"
                )
            time.sleep(0.2)
        self._write({"pid": os.getpid()})
        return self

    def command_started(self, pid: int) -> None:
        """Record the process group of the command."""
        self._write({"pid": os.getpid(), "group": pid})

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

    def _write(self, owner: dict[str, int]) -> None:
        text = json.dumps(owner).encode()
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, text, 0)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _end_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
