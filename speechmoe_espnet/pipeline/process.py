"""Commands that end with this process, with their output on the terminal and in a log.

A command runs in its own process group. A signal to this process stops the command and all its
children. If this process is killed with SIGKILL, the kernel kills the command; children of the
command end as well if they call `end_with_parent`, as all commands of this package do.
"""

import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import BinaryIO

STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SECONDS_TO_STOP = 10.0
_PR_SET_PDEATHSIG = 1
_HEADER = re.compile(r"# \d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
_ERROR = re.compile(r"[\w.]+: error: ")


class Interrupted(BaseException):
    """A signal stopped this process.

    Attributes:
        signum: Number of the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


@contextmanager
def stopping_signals_raise() -> Iterator[None]:
    """Raise `Interrupted` at the first SIGINT, SIGTERM or SIGHUP; later ones are ignored."""

    def handler(signum: int, _frame: FrameType | None) -> None:
        for each in STOPPING_SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(signum)

    before = {signum: signal.signal(signum, handler) for signum in STOPPING_SIGNALS}
    try:
        yield
    finally:
        for signum, old in before.items():
            signal.signal(signum, old)


@contextmanager
def stopping_signals_wait() -> Iterator[None]:
    """Delay SIGINT, SIGTERM and SIGHUP until the block has ended."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent(signum: int = signal.SIGTERM) -> None:
    """Have the kernel send a signal to this process when its parent ends, even if killed.

    Args:
        signum: SIGTERM is for programs that shell scripts run, which stop their own children then.
    """
    _set_parent_death_signal(signum)


def start(
    command: Sequence[str],
    *,
    stdout: int | BinaryIO | None = None,
    pass_fds: Sequence[int] = (),
    env: Mapping[str, str] | None = None,
    in_child: Callable[[], None] = lambda: None,
) -> subprocess.Popen[bytes]:
    """Start a command in its own process group, which ends with this process.

    Args:
        command: Program and arguments.
        stdout: Target of stdout and stderr, as for `subprocess.Popen`; None: inherited.
        pass_fds: File descriptors that the command keeps open.
        env: Environment; None: inherited.
        in_child: Called in the process of the command, which is the first of its group, before
            the command begins.

    Raises:
        FileNotFoundError: There is no such program.
        Interrupted: A signal arrived meanwhile; the command was stopped.
    """
    child = None
    try:
        # An exception raised during a fork can be lost: Python ignores exceptions in functions
        # that modules register for forks, such as those of logging.
        with stopping_signals_wait():
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=None if stdout is None else subprocess.STDOUT,
                pass_fds=tuple(pass_fds),
                env=env,
                start_new_session=True,
                preexec_fn=partial(_prepare_child, os.getpid(), in_child),
            )
    except BaseException:
        if child is not None:
            stop(child)
        raise
    return child


def stop(child: subprocess.Popen[bytes], seconds: float = SECONDS_TO_STOP) -> None:
    """Stop a command and all its children: SIGTERM, then SIGKILL after some seconds."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        if not _signal_group(child.pid, signum):
            break
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            child.poll()
            if not _signal_group(child.pid, 0):
                break
            time.sleep(0.05)
    child.wait()


def _signal_group(group: int, signum: int) -> bool:
    """Send a signal to a process group; return whether the group exists."""
    try:
        os.killpg(group, signum)
    except ProcessLookupError:
        return False
    return True


def run_logged(
    command: Sequence[str],
    log: Path | None = None,
    *,
    quiet: bool = False,
    append: bool = False,
    pass_fds: Sequence[int] = (),
    in_child: Callable[[], None] = lambda: None,
) -> int:
    """Run a command to its end; its output goes to stdout and a log.

    Args:
        command: Program and arguments.
        log: File for stdout and stderr; its directory is made. None: no log.
        quiet: Write the output to the log only; needs a log.
        append: Append to the log instead of overwriting it.
        pass_fds: File descriptors that the command keeps open.
        in_child: As for `start`.

    Returns:
        The exit status; 128 + N if signal N ended the command.

    Raises:
        FileNotFoundError: There is no such program.
        Interrupted: A signal arrived; the command was stopped.
        ValueError: quiet without a log.
    """
    if quiet and log is None:
        raise ValueError("quiet=True needs a log: the output would be lost")
    file: BinaryIO | None = None
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        file = open(log, "ab" if append else "wb", buffering=0)  # noqa: SIM115
        file.write(f"# {time.strftime('%Y-%m-%d %H:%M:%S')} {' '.join(command)}\n".encode())
    try:
        child = start(
            command,
            stdout=file if quiet else subprocess.PIPE,
            pass_fds=pass_fds,
            in_child=in_child,
        )
        try:
            pump = threading.Thread(target=_pump, args=(child.stdout, file), daemon=True)
            pump.start()
            status = child.wait()
            pump.join(timeout=2.0)
        except BaseException:
            stop(child)
            raise
        return status if status >= 0 else 128 - status
    finally:
        if file is not None:
            file.close()


def last_words(log: Path, num_lines: int = 15) -> list[str]:
    """Return what a log of `run_logged` ends with: the error of a command, or its last lines.

    At most the last 64 KiB are read, and nothing of earlier runs.
    """
    with open(log, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 65536))
        lines = file.read().decode("utf-8", errors="replace").splitlines()
    begins = [number for number, line in enumerate(lines) if _HEADER.match(line)]
    lines = lines[begins[-1] + 1 if begins else 0 :][-num_lines:]
    errors = [number for number, line in enumerate(lines) if _ERROR.match(line)]
    return lines[errors[-1] if errors else 0 :]


def _pump(source: BinaryIO | None, log: BinaryIO | None) -> None:
    if source is None:
        return
    show = True
    while data := os.read(source.fileno(), 65536):
        if show:
            try:
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
            except BrokenPipeError:  # stdout is closed; the log is still written
                show = False
        if log is not None and not log.closed:
            log.write(data)


def _prepare_child(parent: int, in_child: Callable[[], None]) -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING_SIGNALS)
    _set_parent_death_signal(signal.SIGKILL)
    if os.getppid() != parent:  # the parent ended before the signal was set
        os._exit(128 + signal.SIGKILL)
    in_child()


def _set_parent_death_signal(signum: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signum)
