"""Runs damaged files through their readers; what is no error of a user's mistake is an escape."""

import contextlib
import io
import random
import resource
import signal
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from damage import damage, folder_in_place, missing, unreadable
from formats import Format

from speechmoe_espnet.system.cli import said

MOST_SECONDS = 10
"""Of this process's own time; a machine with other work takes six times as long at most."""
MOST_BYTES = 3 << 30


class TooSlowError(BaseException):
    """A case took too long."""


def _too_slow(*_: Any) -> None:
    raise TooSlowError(f"more than {MOST_SECONDS} s")


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Bound the seconds, and the memory beyond what the process has already."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MOST_BYTES, hard))
    signals = (signal.SIGALRM, signal.SIGPROF)
    before = [signal.signal(number, _too_slow) for number in signals]
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    signal.alarm(6 * MOST_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        for number, action in zip(signals, before, strict=True):
            signal.signal(number, action)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def verdict(form: Format, folder: Path, name: str) -> str | None:
    """Read once; return what is wrong with the outcome, None if nothing."""
    try:
        with (
            bounded(),
            warnings.catch_warnings(),
            contextlib.redirect_stderr(io.StringIO()),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            form.read(folder)
    except (ValueError, OSError) as error:
        message = said(error)
        kind = type(error).__name__
        if type(error).__module__ != "builtins" or isinstance(error, UnicodeError):
            return f"{kind}: {message[:200]!r}"
        if "\n" in str(error):
            return f"several lines: {kind}: {message[:200]!r}"
        if not any(word and word in message for word in (name.rpartition("/")[2], form.named)):
            return f"names no file: {kind}: {message[:200]!r}"
        return None
    except (Exception, TooSlowError) as error:
        return f"{type(error).__name__}: {str(error)[:200]!r}"
    return None


def escapes(form: Format, folder: Path, number: int, seed: int, limit: int = 0) -> list[str]:
    """Try damaged files of a format.

    Args:
        form: The format.
        folder: An empty folder.
        number: Cases.
        seed: Draws them.
        limit: Escapes after which the trial ends; 0: never.

    Returns:
        The escapes, in words.
    """
    form.make(folder)
    contents = {name: (folder / name).read_bytes() for name in form.files}
    wrong = verdict(form, folder, form.files[0])
    assert wrong is None, f"the valid file is refused: {wrong}"
    found: list[str] = []
    draw = random.Random(seed)
    special = [(name, act) for name in form.files for act in (folder_in_place, missing, unreadable)]
    for case in range(number):
        for name, content in contents.items():
            if not (folder / name).exists():
                (folder / name).write_bytes(content)
        if case < len(special):
            name, act = special[case]
            what = act.__name__
            path = folder / name
            act(path)
        else:
            name = form.files[case % len(form.files)]
            path = folder / name
            what, data = damage(contents[name], draw)
            path.write_bytes(data)
        if wrong := verdict(form, folder, name):
            found.append(f"{name}, case {case} of seed {seed} ({what}): {wrong}")
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        path.write_bytes(contents[name])
        if limit and len(found) >= limit:
            break
    return found
