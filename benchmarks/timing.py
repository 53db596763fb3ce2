"""Times things in turn, so that a drifting machine slows all of them alike."""

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
        median: The middle.
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
            samples: At least one.

        Raises:
            ValueError: There is none.
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

    The order is reversed in every second round, so that none always runs after the same other.

    Args:
        systems: What to run, by name.
        rounds: Timed turns of each.
        warmup: Runs of each before, not timed.
        min_seconds: A turn of a quicker system is as many runs as take about this long.
        synchronize: Called before the clock is read (`torch.cuda.synchronize` on a GPU).

    Returns:
        Seconds a run, of each round, by name.

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
    """Ratio of each round to the baseline's same round."""
    return [mine / theirs for mine, theirs in zip(seconds, baseline, strict=True)]


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Let torch use so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
