"""Training step, inference and memory of whole Conformer-MoE encoders against their dense baseline.

A training step is forward and backward of the encoder and its routing losses, without clipping, and
an AdamW step. The baseline is the same encoder with one expert. ESPnet's conformer, which has no
embedding network, is shown for comparison. Peak memory on a CPU is measured in a separate process.
"""

import argparse
import multiprocessing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks import gpu
from benchmarks.device import DTYPES, Device
from benchmarks.result import Row, timed_rows
from benchmarks.timing import Spread, interleave, torch_threads
from speechmoe_espnet.moe import Experts, mean_importance_loss, sparsity_l1_loss
from speechmoe_espnet.pipeline.pool import pool_map
from speechmoe_espnet.system.memory import resident_bytes

ROUNDS = 7
FRAMES_PER_SECOND = 100
NUM_BINS = 80
ADAM_STATES = 2
BASELINE = "dense baseline"
STEP, PASSES, INFERENCE = "training step", "forward+backward", "inference"


@dataclass(frozen=True)
class Case:
    """Encoders and a batch.

    Attributes:
        width: D.
        heads: Attention heads.
        hidden: H of feed-forward layers and experts.
        blocks: Blocks of the encoder; the embedding network has half as many.
        experts: E.
        utterances: Batch size.
        seconds: Duration of each utterance.
        bars: Largest acceptable ratio to the baseline, by measure.
    """

    width: int
    heads: int
    hidden: int
    blocks: int
    experts: int
    utterances: int
    seconds: float
    bars: Mapping[str, float]

    def __str__(self) -> str:
        return (
            f"{self.blocks} blocks D={self.width} H={self.hidden}, "
            f"{self.utterances} x {self.seconds:g} s"
        )

    @property
    def candidate(self) -> str:
        """Name of the system with bars."""
        return f"MoE-{self.experts}e"

    def build(self, system: str) -> nn.Module:
        """Build one of the systems, with weights from a fixed seed."""
        from speechmoe_espnet.encoder.speechmoe_conformer import SpeechMoEConformerEncoder

        torch.manual_seed(0)
        sizes: dict[str, Any] = {
            "output_size": self.width,
            "attention_heads": self.heads,
            "linear_units": self.hidden,
            "num_blocks": self.blocks,
        }
        if system == ESPNET:
            from espnet2.asr.encoder.conformer_encoder import ConformerEncoder

            espnet: nn.Module = ConformerEncoder(
                NUM_BINS, **sizes, cnn_module_kernel=15, rel_pos_type="latest"
            )
            return espnet
        return SpeechMoEConformerEncoder(
            NUM_BINS,
            **sizes,
            moe_conf={"num_experts": 1 if system == BASELINE else self.experts},
            activation_checkpointing=system.endswith(CHECKPOINTING),
        )

    def batch(self, device: str) -> tuple[Tensor, Tensor]:
        """Features (B, T, 80) and lengths (B,)."""
        frames = round(self.seconds * FRAMES_PER_SECOND)
        feats = torch.randn(self.utterances, frames, NUM_BINS, device=device)
        return feats, torch.full((self.utterances,), frames, device=device)


ESPNET = "ESPnet conformer"
CHECKPOINTING = ", checkpointing"
SMALL = Case(256, 4, 1024, 12, 8, 2, 20.0, {STEP: 1.10, INFERENCE: 1.05})
LARGE = Case(512, 8, 2048, 12, 8, 16, 20.0, {STEP: 1.15, INFERENCE: 1.05})
QUICK = Case(32, 2, 64, 1, 4, 2, 0.5, {STEP: 1.10})
MEMORY_BAR = 1.10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    Device.add_arguments(parser)
    parser.add_argument(
        "--large", action="store_true", help="width 512, experts of 2048, batch 16, for a GPU"
    )


def run(args: argparse.Namespace) -> list[Row]:
    """Measure.

    Args:
        args: rounds, num_threads, quick, device, dtype and large.

    Returns:
        Rows of training step, forward and backward passes, inference, and peak memory.
    """
    device = Device.from_args(args)
    case = QUICK if args.quick else LARGE if args.large else SMALL
    rounds = args.rounds or (2 if args.quick else ROUNDS)
    rows = _speed_rows(case, device, rounds)
    rows += _memory_rows(case, device, args.num_threads)
    if device.is_cuda:
        encoder = case.build(case.candidate).to(device.name)
        step = TrainingStep(encoder, case.batch(device.name), device)
        rows += gpu.sync_rows(str(case), step.passes)
    return rows


def _speed_rows(case: Case, device: Device, rounds: int) -> list[Row]:
    names = [BASELINE, case.candidate, ESPNET]
    encoders = {name: case.build(name).to(device.name) for name in names}
    batch = case.batch(device.name)
    steps = {name: TrainingStep(encoder, batch, device) for name, encoder in encoders.items()}
    rows = []
    runs: dict[str, Mapping[str, Callable[[], object]]] = {
        STEP: {name: step.whole for name, step in steps.items()},
        PASSES: {name: step.passes for name, step in steps.items()},
        INFERENCE: {
            name: partial(_infer, encoder, batch, device) for name, encoder in encoders.items()
        },
    }
    for measure, systems in runs.items():
        for encoder in encoders.values():
            encoder.train(measure != INFERENCE)
        seconds = interleave(systems, rounds, warmup=1, synchronize=device.synchronize)
        bar = case.bars.get(measure)
        bars = {} if bar is None else {case.candidate: bar}
        rows += timed_rows(str(case), measure, seconds, BASELINE, bars)
    return rows


class TrainingStep:
    """One step of an encoder on a batch.

    Args:
        encoder: A SpeechMoE encoder, or one of ESPnet's.
        batch: Features and lengths.
        device: Device and number type.
    """

    def __init__(self, encoder: nn.Module, batch: tuple[Tensor, Tensor], device: Device) -> None:
        self.encoder = encoder
        self.batch = batch
        self.device = device
        self.optimizer = torch.optim.AdamW(encoder.parameters(), lr=1e-4, fused=True)

    def passes(self) -> None:
        """Forward and backward."""
        self.encoder.zero_grad()
        with self.device.autocast():
            loss = self._loss()
        torch.autograd.backward(loss)

    def whole(self) -> None:
        """Forward, backward and optimizer step."""
        self.passes()
        self.optimizer.step()

    def _loss(self) -> Tensor:
        encoder: Any = self.encoder
        if not hasattr(encoder, "forward_with_routing"):
            output: Tensor = encoder(*self.batch)[0]
            return output.float().square().mean()
        out = encoder.forward_with_routing(*self.batch)
        loss: Tensor = out.encoder_out.float().square().mean()
        loss = loss + out.embedding_out.float().square().mean()
        if out.routing:
            probs = torch.stack([routing.probs for routing in out.routing])
            mask = torch.ones_like(probs[0, ..., 0], dtype=torch.bool)
            loss = loss + sparsity_l1_loss(probs, mask).sum()
            loss = loss + mean_importance_loss(probs, mask).sum()
        return loss


def _infer(encoder: nn.Module, batch: tuple[Tensor, Tensor], device: Device) -> None:
    with torch.inference_mode(), device.autocast():
        encoder(*batch)


def _memory_rows(case: Case, device: Device, num_threads: int) -> list[Row]:
    """Peak memory of training, against the baseline plus the experts and their optimizer states."""
    systems = (BASELINE, case.candidate, case.candidate + CHECKPOINTING)
    dtype = next(name for name, dtype in DTYPES.items() if dtype == device.dtype)
    context = multiprocessing.get_context("spawn")
    peaks: dict[str, int] = {}
    for system in systems:
        # One process each, so that freed memory of one is not reused by the next.
        task = _Trained(case, system, device.name, dtype, num_threads)
        (peaks[system],) = pool_map(_peak, [task], 1, context)
    with torch.device("meta"):
        extra = _expert_bytes(case.build(case.candidate)) - _expert_bytes(case.build(BASELINE))
    allowed = peaks[BASELINE] + (1 + ADAM_STATES) * extra
    rows = []
    for system, peak in peaks.items():
        ratio = None if system == BASELINE else Spread.of([peak / allowed])
        bar = MEMORY_BAR if system == case.candidate else None
        value = Spread.of([peak / 1e6])
        rows.append(Row(str(case), "peak memory of training", system, "MB", value, ratio, bar))
    sum_ = Spread.of([allowed / 1e6])
    name = "baseline + experts + their Adam states"
    rows.append(Row(str(case), "peak memory of training", name, "MB", sum_, Spread.of([1.0])))
    return rows


def _expert_bytes(encoder: nn.Module) -> int:
    """Bytes of the weights of all experts of MoE layers (and of their dense baselines)."""
    backbone = encoder.get_submodule("backbone")
    return sum(
        parameter.numel() * parameter.element_size()
        for module in backbone.modules()
        if isinstance(module, Experts)
        for parameter in module.parameters()
    )


class _Trained(NamedTuple):
    case: Case
    system: str
    device: str
    dtype: str
    num_threads: int


def _peak(task: _Trained) -> int:
    """Peak bytes that a model, its optimizer and its training steps add to a process."""
    device = Device(task.device, DTYPES[task.dtype])
    batch = task.case.batch(device.name)
    with torch.device("meta"):
        # Memory of imports does not count.
        task.case.build(task.system)
    before = 0 if device.is_cuda else resident_bytes()
    with torch_threads(task.num_threads):
        encoder = task.case.build(task.system).to(device.name).train()
        step = TrainingStep(encoder, batch, device)
        for _ in range(2):
            step.whole()
    return (
        torch.cuda.max_memory_allocated() if device.is_cuda else resident_bytes(peak=True) - before
    )
