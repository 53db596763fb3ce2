"""Commands that run beside this process: here, or on workers of a cluster (`dask_command`)."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Protocol

from speechmoe_espnet.pipeline.process import start, stop


class Launched(Protocol):
    """A command that was started."""

    def poll(self) -> int | None:
        """Return the exit status; None while it runs."""
        ...

    def stop(self) -> None:
        """Stop the command and its children, if they run."""
        ...


type Launch = Callable[[Sequence[str], Path, Mapping[str, str]], Launched]
"""Starts a command; its output is added to a log, and variables to its environment."""


@dataclass(frozen=True)
class _Here:
    child: Popen[bytes]

    def poll(self) -> int | None:
        return self.child.poll()

    def stop(self) -> None:
        stop(self.child)


def launch_here(command: Sequence[str], log: Path, env: Mapping[str, str]) -> Launched:
    """Start a command on this machine; it ends with this process.

    Args:
        command: Program and arguments.
        log: File that its output is added to.
        env: Variables that its environment has beside those of this process.
    """
    with log.open("ab") as file:
        return _Here(start(command, stdout=file, env={**os.environ, **env}))
