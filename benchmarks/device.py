"""Where a benchmark runs and in which type, so that the same command serves CPU and GPU."""

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
    """A device and the type of matrix products on it.

    Attributes:
        name: "cpu" or "cuda".
        dtype: float32, or another type for autocast.
    """

    name: str
    dtype: torch.dtype

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Add --device and --dtype."""
        parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to run")
        parser.add_argument(
            "--dtype", choices=sorted(DTYPES), default="float32", help="bfloat16 runs in autocast"
        )

    @classmethod
    def from_args(cls, args: argparse.Namespace) -> "Device":
        """Read --device and --dtype.

        Raises:
            ValueError: There is no such device here.
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
        """What waits for the device; None where nothing has to."""
        return torch.cuda.synchronize if self.is_cuda else None

    def autocast(self) -> AbstractContextManager[object]:
        """Context in which matrix products take `dtype`."""
        return torch.autocast(self.name, self.dtype, enabled=self.dtype != torch.float32)

    def ceiling(self, rounds: int) -> Spread:
        """TFLOP/s of one large matrix product: what experts can be measured against."""
        shape = (CEILING_SIZE, CEILING_SIZE)
        one, other = (torch.randn(shape, device=self.name, dtype=self.dtype) for _ in range(2))
        seconds = interleave(
            {"mm": lambda: one @ other}, rounds, synchronize=self.synchronize, min_seconds=0.05
        )["mm"]
        return Spread.of([2 * CEILING_SIZE**3 / second / 1e12 for second in seconds])
