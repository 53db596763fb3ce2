"""Identity of processes: a number alone may be that of another process, here or elsewhere.

Numbers are given again after a process has ended, and every host and container counts for itself.
So a process is its number, its start time, and where it runs: host, boot and pid namespace.
"""

import os
import platform
import signal
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Self

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PID_NAMESPACE = "/proc/self/ns/pid"
# Fields of /proc/PID/stat behind the name of the program.
_GROUP, _SESSION, _START_TIME = 2, 3, 19


class Place(NamedTuple):
    """Where a process runs; two equal places have the same process numbers.

    Attributes:
        host: Name of the machine or container.
        boot: Id of the kernel's start.
        namespace: Its numbering of processes, such as `pid:[4026531836]`.
    """

    host: str
    boot: str
    namespace: str

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self | None:
        """Read the place out of a record that `_asdict` wrote; None where it is not complete."""
        values = [value for name in cls._fields if isinstance(value := record.get(name), str)]
        return cls(*values) if len(values) == len(cls._fields) and all(values) else None


@cache
def here() -> Place:
    """Return where this process runs; parts that the kernel does not tell are empty."""
    boot = namespace = ""
    try:
        # In a container without a /proc of its own, the numbers there are those of another place.
        if os.readlink("/proc/self") == str(os.getpid()):
            boot = _BOOT_ID.read_text(encoding="ascii").strip()
            namespace = os.readlink(_PID_NAMESPACE)
    except OSError:
        pass
    return Place(platform.node(), boot, namespace)


def start_time(pid: int) -> int | None:
    """Return when a process started, in the kernel's ticks since its boot; None if there is none.

    A process that has ended and waits for its parent counts as ended.
    """
    stat = _stat(pid)
    return None if stat is None else int(stat[_START_TIME])


def end_members(group: int, file: Path) -> None:
    """Kill a process group if it is certain that it belongs to a file.

    It is where one of its processes has the file open: the group's number then was not given
    anew since. Each process is checked again once the kernel holds it by a descriptor, so that no
    other process that got its number meanwhile can be hit.

    Args:
        group: Number of the group, which is also that of its session.
        file: The file, which the group's first process inherited open.
    """
    members = [pid for pid in _all_processes() if _is_member(pid, group)]
    if not any(_has_open(pid, file) for pid in members):
        return
    for pid in members:
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            continue
        try:
            if _is_member(pid, group):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        except OSError:
            pass
        finally:
            os.close(descriptor)


def _all_processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _is_member(pid: int, group: int) -> bool:
    stat = _stat(pid)
    return stat is not None and int(stat[_GROUP]) == int(stat[_SESSION]) == group


def _has_open(pid: int, file: Path) -> bool:
    try:
        wanted = file.stat()
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                found = os.stat(f"/proc/{pid}/fd/{name}")
            except OSError:
                continue
            if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                return True
    except OSError:
        return False
    return False


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the state on; None for processes that are no more."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name may hold anything, also spaces and parentheses.
    fields = text.rpartition(")")[2].split()
    return None if not fields or fields[0] in "ZX" else fields
