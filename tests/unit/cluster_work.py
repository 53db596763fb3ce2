"""What the workers of a test cluster do: they import this by name."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path


def double(number: int) -> int:
    return 2 * number


def same(task: object) -> object:
    return task


def fail(number: int) -> int:
    raise ValueError(f"{number} is bad")


def where(_: int) -> str:
    return os.getcwd()


def trims(_: int) -> str | None:
    return os.environ.get("MALLOC_TRIM_THRESHOLD_")


def kill_by(names: tuple[str, ...]) -> list[str]:
    """Return names; one that starts with `kill` kills the worker, `once:FILE` the first time."""
    for name in names:
        kind, _, file = name.partition(":")
        if kind == "once" and not Path(file).exists():
            Path(file).touch()
            die()
        if kind.startswith("kill"):
            die()
        time.sleep(0.01)
    return list(names)


def die_once(marker: str, function: Callable[[object], object], task: object) -> object:
    """Do a task, but kill the worker where there is no file `marker` yet."""
    if not Path(marker).exists():
        Path(marker).touch()
        die()
    return function(task)


def log_probabilities(*words: object) -> list[float]:
    """Stand in for a language model; the texts come last."""
    return [-float(len(text)) for text in words[-1]]  # type: ignore[attr-defined]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def split(names: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    return {name: (name,) for name in names}


def without(names: tuple[str, ...], left_out: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"left out {name}" if name in left_out else name for name in names)
