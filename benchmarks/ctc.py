"""CTC head with loss, forward and backward, against ESPnet's.

The head is the last layer, from hidden vectors to tokens, with log-softmax and loss. Utterances
have different lengths, as in a training batch. The benchmark runs on a CPU, as the fast loss does.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from benchmarks.result import Row, timed_rows
from benchmarks.timing import interleave
from speechmoe_espnet.espnet.ctc import ctc_loss

ROUNDS = 15
ESPNET, OURS = "ESPnet's CTC", "ours"


@dataclass(frozen=True)
class Case:
    """A head on a batch.

    Attributes:
        utterances: B; the shortest has 0.7 of the frames of the longest.
        frames: T of the longest.
        width: D.
        units: V.
        labels: Labels of each utterance.
        bar: Largest acceptable ratio to ESPnet's time.
    """

    utterances: int
    frames: int
    width: int
    units: int
    labels: int
    bar: float | None = None

    def __str__(self) -> str:
        return f"B={self.utterances} T={self.frames} D={self.width} V={self.units}"

    def batch(self) -> tuple[Tensor, ...]:
        """Hidden vectors (B, T, D), frames (B,), labels (B, L) and their numbers (B,)."""
        hs_pad = torch.randn(self.utterances, self.frames, self.width, requires_grad=True)
        hlens = torch.linspace(self.frames, 0.7 * self.frames, self.utterances).long()
        ys_pad = torch.randint(1, self.units, (self.utterances, self.labels))
        return hs_pad, hlens, ys_pad, torch.full((self.utterances,), self.labels)


# A batch of the default job, with the heads of its encoder and of its embedding network; then a
# batch of a larger model.
CASES = (
    Case(24, 84, 96, 3300, 15, bar=0.60),
    Case(24, 84, 32, 3300, 15, bar=0.60),
    Case(16, 250, 256, 4233, 20, bar=0.80),
)
QUICK = Case(3, 20, 8, 50, 5)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no options."""


def run(args: argparse.Namespace) -> list[Row]:
    """Measure.

    Args:
        args: rounds and quick.

    Returns:
        One row per system and case.
    """
    rows = []
    for case in (QUICK,) if args.quick else CASES:
        rounds = args.rounds or (3 if args.quick else ROUNDS)
        least = 0.0 if args.quick else 0.05
        seconds = interleave(_steps(case), rounds, min_seconds=least)
        bars = {} if case.bar is None else {OURS: case.bar}
        rows += timed_rows(str(case), "forward+backward", seconds, ESPNET, bars)
    return rows


def _steps(case: Case) -> dict[str, Callable[[], None]]:
    from espnet2.asr.ctc import CTC

    torch.manual_seed(0)
    head = CTC(odim=case.units, encoder_output_size=case.width)
    batch = case.batch()

    def step(loss_of: Callable[..., Tensor]) -> None:
        head.zero_grad()
        batch[0].grad = None
        torch.autograd.backward(loss_of(*batch))

    return {ESPNET: partial(step, head), OURS: partial(step, partial(ctc_loss, head))}
