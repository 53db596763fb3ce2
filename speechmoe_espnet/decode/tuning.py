"""Tuning of score weights on a development set.

The source of error rates and the search for their minimum are independent. A source is any function
of the weights. `RankedLists` reranks the n-best lists of one decoding: this takes milliseconds per
point, but cannot recover hypotheses that the search pruned. A function that decodes again can.
`grid_search` tries every point, `pattern_search` a few.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Weights = tuple[float, ...]
ErrorRate = Callable[[Weights], float]


@dataclass(frozen=True)
class Axis:
    """The values that one weight may take.

    Attributes:
        name: Name of the weight.
        values: Its values, ascending.
        default: Preferred value: of points with equal error rate, the closest to the defaults in
            steps of the grid wins.

    Raises:
        ValueError: There is no value, one is not finite, or they do not ascend.
    """

    name: str
    values: Weights
    default: float

    def __post_init__(self) -> None:
        if not self.values or not all(map(math.isfinite, (*self.values, self.default))):
            raise ValueError(
                f"{self.name}: expected finite values and default, got {self.values} and "
                f"{self.default}"
            )
        if any(low >= high for low, high in itertools.pairwise(self.values)):
            raise ValueError(f"{self.name}: values must ascend, got {self.values}")

    @classmethod
    def parse(cls, name: str, text: str, default: float) -> Self:
        """Read an axis from `FIRST:LAST:STEP` or from values separated by commas.

        Args:
            name: Name of the weight.
            text: For instance `0:1.5:0.1` (both ends included) or `0.3,0.5,1`.
            default: As `default` of the class.

        Raises:
            ValueError: The text is neither, or has more than 1,000 values.
        """
        try:
            if ":" not in text:
                return cls(name, tuple(map(float, text.split(","))), default)
            first, last, step = map(float, text.split(":"))
        except ValueError as error:
            raise ValueError(
                f"{name}: {text!r}: expected FIRST:LAST:STEP or numbers separated by commas, "
                f"ascending ({error})"
            ) from None
        if not (step > 0 and first <= last and math.isfinite((last - first) / step)):
            raise ValueError(f"{name}: {text!r}: expected FIRST <= LAST and STEP > 0, finite")
        count = math.floor((last - first) / step + 1e-9) + 1
        if count > 1000:
            raise ValueError(f"{name}: {text!r}: {count} values are more than 1000")
        # Rounded: 0.3, not 0.30000000000000004.
        return cls(name, tuple(round(first + index * step, 10) for index in range(count)), default)

    @property
    def start(self) -> int:
        """Index of the value closest to the default."""
        return min(range(len(self.values)), key=lambda i: (abs(self.values[i] - self.default), i))


@dataclass(frozen=True)
class RankedLists:
    """N-best lists with the errors of each hypothesis; a call reranks them with given weights.

    Shapes: U utterances, up to N hypotheses, W weights. The score of a hypothesis is `fixed` plus
    the sum of weight times `weighted`; of equal scores, the first in the list wins.

    Attributes:
        fixed: Unweighted part of the score, (U, N); -inf after the end of a list.
        weighted: Scores to be weighted, (W, U, N).
        errors: Errors of each hypothesis, (U, N).
        num_units: Characters (or other units) of all references, at least 1.
    """

    fixed: NDArray[np.float64]
    weighted: NDArray[np.float64]
    errors: NDArray[np.int64]
    num_units: int

    @classmethod
    def from_lists(
        cls,
        lists: Mapping[str, Sequence[Mapping[str, Any]]],
        errors: Mapping[str, Sequence[int]],
        num_units: int,
        *,
        fixed: str,
        weighted: Sequence[str],
    ) -> Self:
        """Collect the fields of n-best lists.

        Args:
            lists: Hypotheses by utterance id, as `read_nbest` returns them.
            errors: Errors of each hypothesis, by utterance id.
            num_units: Units of all references, at least 1.
            fixed: Field without a weight.
            weighted: Fields, one per weight.
        """
        assert num_units >= 1
        assert lists.keys() == errors.keys()
        shape = (len(lists), max(map(len, lists.values())))
        base = np.full(shape, -np.inf)
        planes = np.zeros((len(weighted), *shape))
        counts = np.zeros(shape, dtype=np.int64)
        for row, (utt, hyps) in enumerate(lists.items()):
            base[row, : len(hyps)] = [hyp[fixed] for hyp in hyps]
            for plane, name in zip(planes, weighted, strict=True):
                plane[row, : len(hyps)] = [hyp[name] for hyp in hyps]
            counts[row, : len(hyps)] = errors[utt]
        return cls(base, planes, counts, num_units)

    def best(self, weights: Weights) -> NDArray[np.int64]:
        """Return the index of the best hypothesis of each utterance, (U,)."""
        totals = self.fixed + np.tensordot(np.asarray(weights, dtype=float), self.weighted, axes=1)
        return totals.argmax(axis=1)

    def __call__(self, weights: Weights) -> float:
        """Return the error rate with these weights, in percent."""
        return self._rate(np.take_along_axis(self.errors, self.best(weights)[:, None], axis=1))

    @property
    def first(self) -> float:
        """Error rate of the first hypotheses, as ranked by the search, in percent."""
        return self._rate(self.errors[:, 0])

    @property
    def oracle(self) -> float:
        """Error rate of the hypotheses closest to the references, in percent."""
        held = np.where(np.isfinite(self.fixed), self.errors, np.iinfo(np.int64).max)
        return self._rate(held.min(axis=1))

    def _rate(self, errors: NDArray[np.int64]) -> float:
        return 100.0 * int(errors.sum()) / self.num_units


@dataclass(frozen=True)
class Tuning:
    """Result of a search for weights.

    Attributes:
        axes: The weights and their values.
        rates: Error rate of every point tried.
        best: Weights with the lowest rate; of several, those closest to the defaults, then the
            smallest.
    """

    axes: tuple[Axis, ...]
    rates: Mapping[Weights, float] = field(repr=False)
    best: Weights

    @property
    def rate(self) -> float:
        """The lowest error rate."""
        return self.rates[self.best]

    @property
    def on_edge(self) -> list[str]:
        """Return the weights whose best value is the first or last of their axis."""
        return [
            axis.name
            for axis, value in zip(self.axes, self.best, strict=True)
            if len(axis.values) > 1 and value in (axis.values[0], axis.values[-1])
        ]

    def named(self, weights: Weights) -> dict[str, float]:
        """Return weights by name."""
        return {axis.name: value for axis, value in zip(self.axes, weights, strict=True)}


def grid_search(rate: ErrorRate, axes: Sequence[Axis]) -> Tuning:
    """Try every point of the grid.

    Args:
        rate: Error rate at given weights, in the order of `axes`.
        axes: The weights.
    """
    rates = {point: rate(point) for point in itertools.product(*(axis.values for axis in axes))}
    return Tuning(tuple(axes), rates, _best(axes, rates))


def pattern_search(rate: ErrorRate, axes: Sequence[Axis]) -> Tuning:
    """Walk over the grid from the defaults, for error rates that are expensive to compute.

    The walk starts at the point closest to the defaults. The first step is a quarter of each axis,
    in both directions. The walk continues from the best point; if no point is better, the step is
    halved. It ends at a local minimum: a point without a better neighbour along an axis.

    Args:
        rate: Error rate at given weights, in the order of `axes`; called once per point.
        axes: The weights.
    """
    rates: dict[Weights, float] = {}
    place = tuple(axis.start for axis in axes)
    steps = [max(1, (len(axis.values) - 1) // 4) for axis in axes]

    def at(indices: tuple[int, ...]) -> Weights:
        return tuple(axis.values[i] for axis, i in zip(axes, indices, strict=True))

    while True:
        neighbours = [place]
        for number, (axis, step) in enumerate(zip(axes, steps, strict=True)):
            for moved in (place[number] - step, place[number] + step):
                if 0 <= moved < len(axis.values):
                    neighbours.append((*place[:number], moved, *place[number + 1 :]))
        for indices in neighbours:
            if at(indices) not in rates:
                rates[at(indices)] = rate(at(indices))
        nearest = min(neighbours, key=lambda indices: rates[at(indices)])
        if rates[at(nearest)] < rates[at(place)]:
            place = nearest
        elif max(steps) > 1:
            steps = [max(1, step // 2) for step in steps]
        else:
            return Tuning(tuple(axes), rates, at(place))


def _best(axes: Sequence[Axis], rates: Mapping[Weights, float]) -> Weights:
    def rank(point: Weights) -> tuple[float, float, Weights]:
        steps = [
            abs(axis.values.index(value) - axis.start)
            for axis, value in zip(axes, point, strict=True)
        ]
        return rates[point], math.hypot(*steps), point

    return min(rates, key=rank)
