"""Error rates of systems trained with several seeds, and intervals that cover the seeds.

Two things are random: the utterances of a set, and the seeds of the trained runs. They are crossed:
every run decodes the same utterances. The model of the errors is

    errors of run r on utterance u = mean + utterance_u + seed_r + interaction_ru

Utterances are resampled (`scoring.bootstrap`), the same ones for all runs of all systems. This
covers the utterance and interaction terms. The seed term is added: it is drawn from Student's
distribution,

    s2    = variance of the runs' relative deviations from the mean of their system, pooled over
            the compared systems, with sum(n - 1) degrees of freedom
    v     = part of s2 that the interaction explains: variance of the same deviations over resamples
    draw  = t * sqrt(max(0, s2 - v)) * sqrt(sum(1 / n))

In simulations (the tests repeat a part), these intervals covered the truth in 92 to 97 % of the
cases with three or five seeds, for any share of the seeds in the variance, and in 87 to 97 % with
two seeds.

Resampling the runs as well was rejected. Scaled by sqrt(n / (n - 1)) for few groups (Davison and
Hinkley, Bootstrap Methods and their Application, 1997, sections 2.3 and 3.8), it counts the
interaction three times (Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1, 2007). With
three seeds it has 27 outcomes, whose percentiles ignore the uncertainty of a variance estimated
from three values. Such intervals covered 99 to 100 % and were 1.5 times too wide where seeds
hardly differ; they covered 91 % where seeds are most of the variance.

Pooling s2 assumes that systems vary equally, relative to their error rates. With two seeds per
system there are two degrees of freedom, so the interval is wide. With one seed per system, the
interval covers the utterances alone; `SeedInterval.covers_seeds` is then false.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speechmoe_espnet.scoring.bootstrap import (
    CONFIDENCE,
    NUM_RESAMPLES,
    Interval,
    percentile_interval,
    resampled_sums,
)


@dataclass(frozen=True)
class Sums:
    """Sums of columns over utterances, observed and resampled.

    Columns are errors of runs, or characters. Sums of several sets may be added: each set is
    resampled separately and keeps its size.

    Attributes:
        observed: Sums over the original utterances, (num_columns,).
        resampled: Sums over resamples, (num_resamples, num_columns).
    """

    observed: NDArray[np.int64]
    resampled: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        columns: ArrayLike,
        *,
        seed: int | Sequence[int] = 0,
        num_resamples: int = NUM_RESAMPLES,
    ) -> Self:
        """Resample the utterances of one set.

        Args:
            columns: One row per utterance, (num_utts, num_columns).
            seed: Seed of the resamples; different sets need different ones.
            num_resamples: Number of resamples.

        Raises:
            ValueError: There is no utterance, or a parameter is out of range.
        """
        table = np.asarray(columns, dtype=np.int64)
        resampled = resampled_sums(table, seed=seed, num_resamples=num_resamples)
        return cls(table.sum(axis=0), resampled)

    def __add__(self, other: Self) -> Self:
        return type(self)(self.observed + other.observed, self.resampled + other.resampled)

    def pick(self, columns: Sequence[int]) -> Self:
        """Return some of the columns, with the same resamples."""
        return type(self)(self.observed[list(columns)], self.resampled[:, list(columns)])


@dataclass(frozen=True)
class SeedInterval:
    """A value over several seeds with its interval.

    Attributes:
        interval: The value of the mean over seeds, with its interval.
        num_seeds: Number of seeds of each system.
    """

    interval: Interval
    num_seeds: tuple[int, ...]

    @property
    def covers_seeds(self) -> bool:
        """Whether the interval covers the choice of seeds and not of utterances alone."""
        return max(self.num_seeds) > 1

    def to_dict(self) -> dict[str, Any]:
        """Return the value as a JSON object."""
        return {
            **self.interval.to_dict(),
            "num_seeds": list(self.num_seeds),
            "covers_seeds": self.covers_seeds,
        }


def relative_change(
    control: Sums, candidate: Sums, *, seed: int = 0, confidence: float = CONFIDENCE
) -> SeedInterval:
    """Estimate (error rate of the control - of the candidate) / error rate of the control.

    The error rates are means over seeds. If the control has no errors in a resample, one error is
    assumed, so that the quotient is defined.

    Args:
        control: Errors of the control, one column per seed.
        candidate: Errors of the candidate, one column per seed, on the same resamples.
        seed: Seed of the draws of the seed term.
        confidence: Share of the draws within the interval.

    Returns:
        A fraction, positive if the candidate is better; for equal runs exactly 0 with an interval
        of zero width. Its `num_seeds` are those of control and candidate.

    Raises:
        ValueError: The two have different numbers of resamples, or a parameter is out of range.
    """
    if control.resampled.shape[0] != candidate.resampled.shape[0]:
        raise ValueError(
            f"control and candidate must have the same resamples, got "
            f"{control.resampled.shape[0]} and {candidate.resampled.shape[0]}"
        )
    groups = (control, candidate)
    factor = np.maximum(1.0 + _seed_draws(groups, seed), 0.0)
    changes = _saved(_mean(control.resampled), _mean(candidate.resampled) * factor)
    observed = float(_saved(_mean(control.observed), _mean(candidate.observed)))
    return SeedInterval(percentile_interval(observed, changes, confidence), _num_seeds(groups))


def error_rate(
    errors: Sums, num_chars: Sums, *, seed: int = 0, confidence: float = CONFIDENCE
) -> SeedInterval:
    """Estimate the pooled error rate of one system in percent, mean over its seeds.

    Args:
        errors: Errors, one column per seed.
        num_chars: Reference characters, one column, on the same resamples.
        seed: Seed of the draws of the seed term.
        confidence: Share of the draws within the interval.

    Raises:
        ValueError: The number of characters is not one column of positive sums of as many
            resamples, or a parameter is out of range.
    """
    if num_chars.resampled.shape != (errors.resampled.shape[0], 1):
        raise ValueError(
            f"num_chars must be one column of {errors.resampled.shape[0]} resamples, got shape "
            f"{num_chars.resampled.shape}"
        )
    if num_chars.resampled.min() < 1:
        raise ValueError("num_chars must be at least 1 for every utterance")
    rates = 100.0 * _mean(errors.resampled) / num_chars.resampled[:, 0]
    observed = 100.0 * _mean(errors.observed) / num_chars.observed[0]
    factor = np.maximum(1.0 + _seed_draws((errors,), seed), 0.0)
    interval = percentile_interval(float(observed), rates * factor, confidence)
    return SeedInterval(interval, _num_seeds((errors,)))


def seed_deviation(values: Sequence[float]) -> float | None:
    """Return the sample standard deviation (divisor n - 1) over seeds; None for one seed."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _seed_draws(groups: Sequence[Sums], seed: int) -> NDArray[np.float64]:
    """Draw the relative deviations due to the choice of seeds, (num_resamples,)."""
    num_resamples = groups[0].resampled.shape[0]
    freedom = sum(_num_seeds(groups)) - len(groups)
    squares, explained = 0.0, 0.0
    for group in groups:
        count = group.observed.size
        if count > 1:
            squares += float((_deviations(group.observed) ** 2).sum())
            explained += float(_deviations(group.resampled).var(axis=0).sum())
    if squares <= explained or freedom < 1:
        return np.zeros(num_resamples)
    # Both sums are (n - 1) times a variance: deviations from a mean of n values have (n - 1) / n
    # of the variance.
    deviation = np.sqrt((squares - explained) / freedom)
    spread = deviation * np.sqrt(sum(1.0 / count for count in _num_seeds(groups)))
    generator = np.random.default_rng(seed)
    return np.asarray(generator.standard_t(freedom, num_resamples) * spread, dtype=np.float64)


def _num_seeds(groups: Sequence[Sums]) -> tuple[int, ...]:
    return tuple(group.observed.size for group in groups)


def _mean(sums: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(sums.mean(axis=-1), dtype=np.float64)


def _deviations(sums: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the relative deviation of each run from the mean of the runs."""
    means = _mean(sums)[..., None]
    return np.asarray((sums - means) / np.where(means > 0, means, 1.0), dtype=np.float64)


def _saved(control: NDArray[np.float64], candidate: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((control - candidate) / np.where(control > 0, control, 1.0), dtype=np.float64)
