"""Timing of systems in turn, so that drifts of the machine affect all of them equally."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import quantiles

import torch


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of some samples.

    Attributes:
        median: Median.
        low: First quartile.
        high: Third quartile.
    """

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> "Spread":
        """Summarise samples.

        Args:
            samples: At least one sample.

        Raises:
            ValueError: There is no sample.
        """
        if not samples:
            raise ValueError("no samples to summarise")
        if len(samples) == 1:
            return cls(samples[0], samples[0], samples[0])
        low, median, high = quantiles(samples, n=4, method="inclusive")
        return cls(median, low, high)


def interleave(
    systems: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    warmup: int = 2,
    min_seconds: float = 0.0,
    synchronize: Callable[[], object] | None = None,
) -> dict[str, list[float]]:
    """Run systems in turn and time each turn.

    The order is reversed in every second round, so that no system always runs after the same one.

    Args:
        systems: Functions to run, by name.
        rounds: Number of timed turns of each system.
        warmup: Number of untimed runs of each system before.
        min_seconds: Minimum duration of a turn; faster systems run several times.
        synchronize: Called before the clock is read (`torch.cuda.synchronize` on a GPU).

    Returns:
        Seconds per run of each round, by name.

    Raises:
        ValueError: `rounds` is less than 1.
    """
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1, got {rounds}")
    wait = synchronize or (lambda: None)

    def turn(run: Callable[[], object], runs: int) -> float:
        wait()
        begin = time.perf_counter()
        for _ in range(runs):
            run()
        wait()
        return (time.perf_counter() - begin) / runs

    repeats = {}
    for name, run in systems.items():
        if warmup:
            turn(run, warmup)
        repeats[name] = max(1, round(min_seconds / turn(run, 1))) if min_seconds else 1
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    order = list(systems)
    for _ in range(rounds):
        for name in order:
            seconds[name].append(turn(systems[name], repeats[name]))
        order.reverse()
    return seconds


def ratios(seconds: Sequence[float], baseline: Sequence[float]) -> list[float]:
    """Return the ratio of each round to the same round of the baseline."""
    return [mine / theirs for mine, theirs in zip(seconds, baseline, strict=True)]


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Temporarily let torch use this many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
