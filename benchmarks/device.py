"""Device and number type of a benchmark: one command for CPU and GPU."""

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from benchmarks.timing import Spread, interleave

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
CEILING_SIZE = 8192


@dataclass(frozen=True)
class Device:
    """A device and the number type of its matrix products.

    Attributes:
        name: "cpu" or "cuda".
        dtype: float32, or another type for autocast.
    """

    name: str
    dtype: torch.dtype

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Add --device and --dtype."""
        parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="device")
        parser.add_argument(
            "--dtype", choices=sorted(DTYPES), default="float32", help="bfloat16 runs in autocast"
        )

    @classmethod
    def from_args(cls, args: argparse.Namespace) -> "Device":
        """Read --device and --dtype.

        Raises:
            ValueError: The device does not exist.
        """
        if args.device == "cuda" and not torch.cuda.is_available():
            raise ValueError("--device cuda: torch finds no GPU here; use --device cpu")
        return cls(args.device, DTYPES[args.dtype])

    @property
    def is_cuda(self) -> bool:
        """Whether this is a GPU."""
        return self.name == "cuda"

    @property
    def synchronize(self) -> Callable[[], object] | None:
        """Return a function that waits for the device, or None if not needed."""
        return torch.cuda.synchronize if self.is_cuda else None

    def autocast(self) -> AbstractContextManager[object]:
        """Return a context in which matrix products use `dtype`."""
        return torch.autocast(self.name, self.dtype, enabled=self.dtype != torch.float32)

    def ceiling(self, rounds: int) -> Spread:
        """Measure the TFLOP/s of one large matrix product, the upper limit for experts."""
        shape = (CEILING_SIZE, CEILING_SIZE)
        one, other = (torch.randn(shape, device=self.name, dtype=self.dtype) for _ in range(2))
        seconds = interleave(
            {"mm": lambda: one @ other}, rounds, synchronize=self.synchronize, min_seconds=0.05
        )["mm"]
        return Spread.of([2 * CEILING_SIZE**3 / second / 1e12 for second in seconds])
