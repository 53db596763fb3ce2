"""Step count of a training, and schedules over it: routing warm-up and weights of losses.

Checkpoints hold the count, so that a resumed training goes on from it. The count is also on the
host, so that reading it never waits for a device.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import torch
from torch import Tensor, nn

LARGEST = (1e9, 1e6)
"""Greatest step and greatest factor."""


@dataclass(frozen=True)
class Schedule:
    """A factor that changes with the steps of training.

    Attributes:
        points: (step, factor), by increasing step; linear in between, constant outside.
    """

    points: tuple[tuple[float, float], ...]

    @classmethod
    def parse(cls, points: Any, name: str) -> Self:
        """Read a schedule of a YAML file.

        Args:
            points: A list of [step, factor].
            name: The key, for errors.

        Raises:
            ValueError: Where it is no such list, a step is negative or not later than the one
                before it, or a factor is negative or not finite.
        """
        if not isinstance(points, Sequence) or isinstance(points, str) or not points:
            raise ValueError(f"{name}: expected a list of [step, factor], got {points!r}")
        for point in points:
            if (
                not isinstance(point, Sequence)
                or len(point) != 2
                or not all(type(value) in (int, float) for value in point)
                or not all(0 <= value <= most for value, most in zip(point, LARGEST, strict=True))
            ):
                raise ValueError(
                    f"{name}: expected [step, factor], two numbers from 0 to {LARGEST[0]:g} and "
                    f"{LARGEST[1]:g}, got {point!r}"
                )
        for (before, _), (step, _) in pairwise(points):
            if step <= before:
                raise ValueError(f"{name}: step {step} does not come after step {before}")
        return cls(tuple((float(step), float(factor)) for step, factor in points))

    def __call__(self, step: int) -> float:
        """The factor after `step` steps."""
        if step <= self.points[0][0]:
            return self.points[0][1]
        for (start, low), (end, high) in pairwise(self.points):
            if step <= end:
                return low + (high - low) * (step - start) / (end - start)
        return self.last

    @property
    def last(self) -> float:
        """The factor when the schedule is over."""
        return self.points[-1][1]


class StepCounter(nn.Module):
    """Training forwards so far: batches, not optimiser steps, where `accum_grad` is above 1.

    A state without the count loads without an error; counting then starts from 0.

    Attributes:
        value: The count, int64, as checkpoints keep it.
    """

    value: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("value", torch.zeros((), dtype=torch.int64))
        self._count = 0

    @property
    def count(self) -> int:
        """The number of training forwards so far."""
        return self._count

    def advance(self) -> None:
        """Count one more."""
        self._count += 1
        self.value.fill_(self._count)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        found = state_dict.get(f"{prefix}value")
        self._count = 0 if found is None else int(found)
        self.value.fill_(self._count)


def is_count(key: str) -> bool:
    """Whether a key of a model's state is the count of its StepCounter, `steps`."""
    return f".{key}".endswith(".steps.value")
