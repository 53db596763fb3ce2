"""Processes that do one job together: the first that fails ends the others."""

import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from speechmoe_espnet.pipeline.process import start, stop

SECONDS_TO_END = 3.0
_SECONDS_BETWEEN_LOOKS = 0.1
_KILLED = (-signal.SIGKILL, -signal.SIGTERM)


@dataclass(frozen=True)
class Member:
    """One process of a group.

    Attributes:
        command: Program and arguments.
        env: Environment.
        output: Where stdout and stderr go; None: inherited.
    """

    command: Sequence[str]
    env: Mapping[str, str]
    output: BinaryIO | None = None


@dataclass(frozen=True)
class Failed:
    """The process that ended a group.

    Attributes:
        number: Its place in the group, from 0.
        status: Exit status; -N if signal N ended it.
    """

    number: int
    status: int


def run_group(members: Sequence[Member], seconds_to_end: float = SECONDS_TO_END) -> Failed | None:
    """Run processes to their end; when one fails, stop the others.

    Args:
        members: The processes, all of this machine.
        seconds_to_end: Time that the others have to fail by themselves, with a message of their
            own, before they are stopped.

    Returns:
        The process that failed first, or the one that was killed, which is why others fail; None
        if none failed.

    Raises:
        FileNotFoundError: There is no such program.
        Interrupted: A signal arrived; all were stopped.
    """
    children: list[subprocess.Popen[bytes]] = []
    try:
        for member in members:
            children.append(start(member.command, stdout=member.output, env=member.env))
        while not (first := _failed(children)) and _running(children):
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        deadline = time.monotonic() + seconds_to_end
        while _running(children) and time.monotonic() < deadline:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        failed = [*first, *_failed(children)]
        return min(failed, key=lambda one: one.status not in _KILLED, default=None)
    finally:
        for child in children:
            if child.poll() is None:
                child.terminate()
        for child in children:
            stop(child)


def _running(children: Sequence[subprocess.Popen[bytes]]) -> bool:
    return any(child.poll() is None for child in children)


def _failed(children: Sequence[subprocess.Popen[bytes]]) -> list[Failed]:
    statuses = [child.poll() for child in children]
    return [Failed(number, status) for number, status in enumerate(statuses) if status]
