"""How far training is, for what changes on its way: routing at first and weights of losses.

The count is in checkpoints, so that a resumed training goes on where it was, and on the host, so
that reading it never waits for a device.
"""

from typing import Any

import torch
from torch import Tensor, nn


class StepCounter(nn.Module):
    """Training forwards so far: batches, not optimiser steps, where `accum_grad` is above 1.

    A state without the count (of an older checkpoint) loads without a complaint and counts from 0.

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
