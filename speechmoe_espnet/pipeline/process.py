"""Run one command so that nothing of it outlives us, with its output on screen and in a log.

The command gets a process group of its own: a signal to us stops the command and all that it
started. Where we are killed outright, the kernel kills the command; what the command itself
started ends with it where it is run by a program that calls `end_with_parent`, as ours do.
"""

import ctypes
import os
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


class Interrupted(BaseException):
    """We were told to stop by a signal.

    Attributes:
        signum: Number of the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


@contextmanager
def stopping_signals_raise() -> Iterator[None]:
    """Turn SIGINT, SIGTERM and SIGHUP into `Interrupted`, once; later ones are ignored."""

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
    """Hold SIGINT, SIGTERM and SIGHUP back until the block has ended."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """Have the kernel stop us (SIGTERM) when the process that started us ends, even if killed.

    For programs that shell scripts run: they then stop what they started themselves.
    """
    _set_parent_death_signal(signal.SIGTERM)


def start(
    command: Sequence[str],
    *,
    stdout: int | BinaryIO | None = None,
    pass_fds: Sequence[int] = (),
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own, which ends when we end.

    Args:
        command: Program and arguments.
        stdout: Where stdout and stderr go, as for `subprocess.Popen`; None: where ours go.
        pass_fds: File descriptors that the command keeps open.
        env: Environment; None: ours.

    Raises:
        FileNotFoundError: There is no such program.
        Interrupted: We were told to stop meanwhile; the command has been ended.
    """
    child = None
    try:
        # What is raised while Python forks can be lost: it ignores exceptions of functions that
        # modules have it call then, such as logging's.
        with stopping_signals_wait():
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=None if stdout is None else subprocess.STDOUT,
                pass_fds=tuple(pass_fds),
                env=env,
                start_new_session=True,
                preexec_fn=partial(_prepare_child, os.getpid()),
            )
    except BaseException:
        if child is not None:
            stop(child)
        raise
    return child


def stop(child: subprocess.Popen[bytes], seconds: float = SECONDS_TO_STOP) -> None:
    """End a command and all that it started: SIGTERM, then SIGKILL after some seconds."""
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
    """Signal a process group; return whether there was one."""
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
    started: Callable[[int], None] = lambda pid: None,
) -> int:
    """Run a command to its end, its output on our stdout and in a log.

    Args:
        command: Program and arguments.
        log: File that gets stdout and stderr; its folder is made. None: no log.
        quiet: Keep the output off our stdout (a log is needed then).
        append: Add to the log instead of writing it anew.
        pass_fds: File descriptors that the command keeps open.
        started: Called with the process id (also the process group) once it runs.

    Returns:
        The exit status; 128 + N where signal N ended the command.

    Raises:
        FileNotFoundError: There is no such program.
        Interrupted: We were told to stop; the command has been ended.
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
        child = start(command, stdout=file if quiet else subprocess.PIPE, pass_fds=pass_fds)
        try:
            started(child.pid)
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


def tail(path: Path, num_lines: int = 15) -> list[str]:
    """Return the last lines of a text file (at most the last 64 KiB are read)."""
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 65536))
        return file.read().decode("utf-8", errors="replace").splitlines()[-num_lines:]


def _pump(source: BinaryIO | None, log: BinaryIO | None) -> None:
    if source is None:
        return
    show = True
    while data := os.read(source.fileno(), 65536):
        if show:
            try:
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
            except BrokenPipeError:  # nobody reads us any more; the log still wants it
                show = False
        if log is not None and not log.closed:
            log.write(data)


def _prepare_child(parent: int) -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING_SIGNALS)
    _set_parent_death_signal(signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel knew
        os._exit(128 + signal.SIGKILL)


def _set_parent_death_signal(signum: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signum)
