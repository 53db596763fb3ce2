"""Bootstrap intervals over utterances (Bisani and Ney, ICASSP 2004).

Two systems are compared on the same resamples of the same utterances. The difficulty that an
utterance has for both cancels, so the paired interval is much narrower than two separate intervals.
Utterances are resampled, not characters, because errors within an utterance depend on each other.
When sets are pooled, each set is resampled separately and keeps its size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

NUM_RESAMPLES = 10_000
CONFIDENCE = 0.95
_MAX_CELLS = 4_000_000


@dataclass(frozen=True)
class Interval:
    """A value and its percentile interval.

    Attributes:
        mean: The observed value on the original utterances, not an average over resamples, which
            would add the noise of the bootstrap.
        low: Lower end.
        high: Upper end.
    """

    mean: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Return the conclusion from a relative change with this interval, in words."""
        if self.low > 0:
            return "better"
        if self.high < 0:
            return "worse"
        return "no difference shown"

    def to_dict(self) -> dict[str, float]:
        """Return the interval in the format of `results.json`."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


def relative_change(
    control_errors: ArrayLike,
    candidate_errors: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    seed: int = 0,
    num_resamples: int = NUM_RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Estimate (CER of the control - CER of the candidate) / CER of the control.

    Both systems are scored on the same references, so the numbers of characters cancel and only
    errors are needed. If the control has no errors in a resample, one error is assumed, so that the
    quotient is defined.

    Args:
        control_errors: Errors of the control, (num_utts,).
        candidate_errors: Errors of the candidate on the same utterances, (num_utts,).
        strata: The set of each utterance, (num_utts,); None: a single set.
        seed: Seed of the resamples.
        num_resamples: Number of resamples.
        confidence: Share of resamples within the interval.

    Returns:
        A fraction with its interval, positive if the candidate is better; exactly 0 for equal
        systems.

    Raises:
        ValueError: The arrays are empty or differ in length, or a parameter is out of range.
    """
    columns = _columns(control_errors, candidate_errors)
    sums = resampled_sums(columns, strata, seed=seed, num_resamples=num_resamples)
    observed = _relative_change(columns.sum(axis=0, keepdims=True))
    return percentile_interval(float(observed[0]), _relative_change(sums), confidence)


def error_rate(
    errors: ArrayLike,
    num_chars: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    seed: int = 0,
    num_resamples: int = NUM_RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Estimate the pooled error rate of one system, in percent.

    Args:
        errors: Errors of each utterance, (num_utts,).
        num_chars: Reference characters of each utterance, (num_utts,), at least 1 each.
        strata: The set of each utterance, (num_utts,); None: a single set.
        seed: Seed of the resamples.
        num_resamples: Number of resamples.
        confidence: Share of resamples within the interval.

    Raises:
        ValueError: The arrays are empty or differ in length, a reference is empty, or a
            parameter is out of range.
    """
    columns = _columns(errors, num_chars)
    if (columns[:, 1] < 1).any():
        raise ValueError("num_chars must be at least 1 for every utterance")
    sums = resampled_sums(columns, strata, seed=seed, num_resamples=num_resamples)
    observed = 100.0 * columns[:, 0].sum() / columns[:, 1].sum()
    return percentile_interval(float(observed), 100.0 * sums[:, 0] / sums[:, 1], confidence)


def _columns(first: ArrayLike, second: ArrayLike) -> NDArray[np.int64]:
    arrays = [np.asarray(values, dtype=np.int64) for values in (first, second)]
    if any(array.ndim != 1 for array in arrays) or arrays[0].shape != arrays[1].shape:
        raise ValueError(
            f"expected two arrays (num_utts,) of equal length, got {arrays[0].shape} and "
            f"{arrays[1].shape}"
        )
    if not arrays[0].size:
        raise ValueError("no utterances to resample")
    return np.stack(arrays, axis=1)


def resampled_sums(
    columns: NDArray[np.int64],
    strata: ArrayLike | None = None,
    *,
    seed: int | Sequence[int] = 0,
    num_resamples: int = NUM_RESAMPLES,
) -> NDArray[np.int64]:
    """Sum columns over resamples of the rows, the same rows for every column.

    Args:
        columns: One row per utterance, (num_utts, num_columns).
        strata: The set of each utterance, (num_utts,); None: a single set.
        seed: Seed of the resamples.
        num_resamples: Number of resamples.

    Returns:
        Sums, (num_resamples, num_columns).

    Raises:
        ValueError: There are no utterances, the shapes disagree, or a parameter is out of range.
    """
    if columns.ndim != 2 or not columns.size:
        raise ValueError(f"no utterances to resample: columns have shape {columns.shape}")
    if num_resamples < 1:
        raise ValueError(f"num_resamples must be at least 1, got {num_resamples}")
    labels = np.zeros(len(columns), dtype=np.int64) if strata is None else np.asarray(strata)
    if labels.shape != (len(columns),):
        raise ValueError(f"strata must have shape ({len(columns)},), got {labels.shape}")
    generator = np.random.default_rng(seed)
    sums = np.zeros((num_resamples, columns.shape[1]))
    for label in np.unique(labels):
        rows = columns[labels == label].astype(np.float64)  # exact: sums are far below 2**53
        size = max(1, _MAX_CELLS // len(rows))
        for start in range(0, num_resamples, size):
            count = min(size, num_resamples - start)
            picks = generator.integers(0, len(rows), size=(count, len(rows)))
            places = picks + len(rows) * np.arange(count)[:, None]
            times = np.bincount(places.ravel(), minlength=count * len(rows))
            sums[start : start + count] += times.reshape(count, len(rows)) @ rows
    return np.rint(sums).astype(np.int64)


def percentile_interval(
    observed: float, values: NDArray[np.float64], confidence: float = CONFIDENCE
) -> Interval:
    """Return the central interval that contains a given share of the values.

    Args:
        observed: The value on the original utterances.
        values: The values on resamples, (num_resamples,).
        confidence: Share of the values within the interval.

    Raises:
        ValueError: The confidence is out of range.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(values, [tail, 100.0 - tail])
    return Interval(observed, float(low), float(high))


def _relative_change(sums: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray((sums[:, 0] - sums[:, 1]) / np.maximum(sums[:, 0], 1), dtype=np.float64)
