"""MoE feed-forward layer against its dense baseline and against other implementations of experts.

Layers are measured with their router. As in an encoder, the share of the embedding in the router
logits is given, since one product computes it for all layers; a layer that computes it itself is
shown as well. The dense baseline is the layer with one expert. A plain pair of torch.nn.Linear
shows that the baseline is as fast as possible. "Experts alone" are measured without router, on the
same frames and choices for every implementation.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks import gpu, peers
from benchmarks.device import Device
from benchmarks.result import Row, timed_rows
from benchmarks.timing import interleave
from speechmoe_espnet.moe import Experts, MoEFeedForward

ROUNDS = 15
BASELINE = "dense baseline"
LAYER, BY_ITSELF = "MoE layer", "MoE layer alone"
FORWARD, STEP = "forward", "forward+backward"


@dataclass(frozen=True)
class Size:
    """A layer on a batch.

    Attributes:
        frames: T, all valid.
        width: D, also of the embedding.
        hidden: H.
        experts: E.
        bars: Largest acceptable ratio to the baseline, by measure.
    """

    frames: int
    width: int
    hidden: int
    experts: int
    bars: Mapping[str, float] | None = None

    def __str__(self) -> str:
        return f"T={self.frames} D={self.width} H={self.hidden} E={self.experts}"


LAYERS = (
    Size(2000, 512, 1024, 8, {STEP: 1.10, FORWARD: 1.05}),
    Size(1000, 128, 512, 8, {STEP: 1.25, FORWARD: 1.15}),
)
GROWTH = ((Size(8000, 128, 512, 2), 1.12), (Size(8000, 512, 1024, 2), 1.30))
GROWN_EXPERTS = (2, 8, 64)
SHORT = (Size(1, 512, 1024, 64), Size(16, 512, 1024, 64))
ON_GPU = (Size(16000, 512, 2048, 8), Size(8000, 512, 1024, 8))
QUICK = Size(64, 32, 64, 4)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    Device.add_arguments(parser)


def run(args: argparse.Namespace) -> list[Row]:
    """Measure.

    Args:
        args: rounds, num_threads, quick, device and dtype.

    Returns:
        Rows of layers, implementations of experts, growth with their number, short utterances.
    """
    device = Device.from_args(args)
    rounds = args.rounds or (3 if args.quick else ROUNDS)
    measure = partial(_rows, device=device, rounds=rounds, quick=args.quick)
    rows: list[Row] = []
    for size in (QUICK,) if args.quick else LAYERS:
        rows += measure(size)
        rows += _ways(size, device, rounds, args.quick)
        rows += _products(size, device, rounds, args.quick)
    for size, bar in ((QUICK, 1.12),) if args.quick else GROWTH:
        rows += _growth(size, bar, device, rounds, args.quick)
    for size in (QUICK,) if args.quick else SHORT:
        rows += measure(size, measures=(FORWARD,))
    if device.is_cuda:
        rows += gpu.ceiling_rows(device, rounds)
        for size in ON_GPU:
            sizes = (size.frames, size.width, size.hidden, size.experts)
            rows += gpu.product_rows(*sizes, device=device, rounds=rounds)
            rows += gpu.sync_rows(str(size), _layer_step(size, device))
    return rows


def _layer_step(size: Size, device: Device) -> Callable[[], None]:
    """Forward and backward of a layer on a batch with padding."""
    layer = _layer(size).to(device.name)
    x = torch.randn(4, size.frames // 4, size.width, device=device.name)
    embedding, grad = torch.randn_like(x), torch.randn_like(x)
    lengths = torch.arange(1, 5, device=device.name).unsqueeze(1) * (x.size(1) // 4)
    mask = torch.arange(x.size(1), device=device.name) < lengths

    def forward() -> Tensor:
        with device.autocast():
            out: Tensor = layer(x, mask, embedding)[0]
        return out

    return partial(_step, forward, layer, x, grad)


def _dense(size: Size) -> dict[str, nn.Module]:
    linear = nn.Sequential(
        nn.Linear(size.width, size.hidden), nn.ReLU(), nn.Linear(size.hidden, size.width)
    )
    return {BASELINE: MoEFeedForward(size.width, size.hidden, 1), "nn.Linear pair": linear}


def _layer(size: Size) -> MoEFeedForward:
    return MoEFeedForward(size.width, size.hidden, size.experts, embedding_size=size.width)


def _rows(
    size: Size,
    *,
    device: Device,
    rounds: int,
    quick: bool,
    measures: tuple[str, ...] = (STEP, FORWARD),
) -> list[Row]:
    """Rows of whole layers on one batch."""
    layer = _layer(size)
    systems: dict[str, nn.Module] = {**_dense(size), LAYER: layer, BY_ITSELF: layer}
    for module in systems.values():
        module.to(device.name)
    x = torch.randn(1, size.frames, size.width, device=device.name)
    embedding = torch.randn_like(x)
    mask = torch.ones(x.shape[:2], dtype=torch.bool, device=device.name)
    grad = torch.randn_like(x)
    logits = torch.randn(size.experts, *mask.shape, device=device.name).permute(1, 2, 0)
    logits.requires_grad_()

    def forward(name: str) -> Tensor:
        module = systems[name]
        with device.autocast():
            if name == LAYER:
                out = module(x, mask, embedding_logits=logits)
            elif isinstance(module, MoEFeedForward):
                out = module(x, mask, embedding)
            else:
                out = module(x)
        return out[0] if isinstance(out, tuple) else out

    rows = []
    for measure in measures:
        one = _step if measure == STEP else _inference
        runs = {n: partial(one, partial(forward, n), m, x, grad) for n, m in systems.items()}
        seconds = _turns(runs, device, rounds, quick)
        bars = {LAYER: size.bars[measure]} if size.bars else None
        rows += timed_rows(str(size), measure, seconds, BASELINE, bars)
    return rows


def _step(forward: Callable[[], Tensor], module: nn.Module, x: Tensor, grad: Tensor) -> None:
    module.zero_grad()
    x.grad = None
    x.requires_grad_()
    out = forward()
    torch.autograd.backward(out, grad.to(out.dtype))


def _inference(forward: Callable[[], Tensor], module: nn.Module, x: Tensor, grad: Tensor) -> None:
    with torch.inference_mode():
        forward()


def _expert_step(
    way: peers.RunExperts,
    experts: Experts,
    x: Tensor,
    chosen: Tensor,
    gates: Tensor,
    grad: Tensor,
    device: Device,
) -> None:
    """Forward and backward of experts alone, by some implementation."""
    experts.zero_grad()
    x.grad = None
    with device.autocast():
        out = way(x, chosen, gates)
    torch.autograd.backward(out, grad.to(out.dtype))


def _turns(
    runs: Mapping[str, Callable[[], object]], device: Device, rounds: int, quick: bool
) -> dict[str, list[float]]:
    """Call `interleave` with turns that are long enough to measure."""
    least = 0.0 if quick else 0.05
    return interleave(runs, rounds, synchronize=device.synchronize, min_seconds=least)


def _ways(size: Size, device: Device, rounds: int, quick: bool) -> list[Row]:
    """Rows of different implementations of the same experts."""
    experts = Experts(size.width, size.hidden, size.experts).to(device.name)
    x = torch.randn(size.frames, size.width, device=device.name, requires_grad=True)
    chosen = torch.randint(0, size.experts, (size.frames, 1), device=device.name)
    gates = torch.rand(size.frames, 1, device=device.name)
    grad = torch.randn_like(x)
    runs = {}
    for name, way in _named_ways(experts, device):
        runs[name] = partial(_expert_step, way, experts, x, chosen, gates, grad, device)
    seconds = _turns(runs, device, rounds, quick)
    return timed_rows(f"{size}, experts alone", STEP, seconds, "ours (auto)")


def _products(size: Size, device: Device, rounds: int, quick: bool) -> list[Row]:
    """Cost of dividing the rows of the matrix products of a forward pass among experts.

    Rows in parts show the cost of smaller products; E experts add the cost of reading more weights.
    """
    experts = Experts(size.width, size.hidden, size.experts).to(device.name)
    x = torch.randn(size.frames, size.width, device=device.name)
    parts = x.chunk(size.experts)

    def run(parts: Sequence[Tensor], numbers: Sequence[int]) -> None:
        with torch.inference_mode(), device.autocast():
            for rows, number in zip(parts, numbers, strict=True):
                hidden = torch.addmm(experts.b1[number], rows, experts.w1[number])
                torch.addmm(experts.b2[number], hidden.relu_(), experts.w2[number])

    runs = {
        "all rows, one expert": partial(run, [x], [0]),
        "rows in E parts, one expert": partial(run, parts, [0] * size.experts),
        "rows in E parts, E experts": partial(run, parts, range(size.experts)),
    }
    seconds = _turns(runs, device, rounds, quick)
    return timed_rows(f"{size}, products alone", FORWARD, seconds, next(iter(runs)))


def _named_ways(experts: Experts, device: Device) -> Iterator[tuple[str, peers.RunExperts]]:
    yield "ours (auto)", experts
    if not device.is_cuda:
        grouped = Experts(
            experts.w1.size(1), experts.w1.size(2), experts.num_experts, backend="grouped_mm"
        )
        for name in ("w1", "b1", "w2", "b2"):
            setattr(grouped, name, getattr(experts, name))
        yield "ours (grouped_mm)", grouped
    yield "all experts (einsum)", peers.all_experts(experts)
    yield "loop, as WeNet", peers.loop(experts)
    transformers = peers.transformers_grouped(experts)
    if transformers is None:
        print(
            "benchmarks: transformers is not installed; its experts are left out", file=sys.stderr
        )
    else:
        yield "transformers, grouped", transformers


def _growth(size: Size, bar: float, device: Device, rounds: int, quick: bool) -> list[Row]:
    """Growth of the time with the number of experts, chosen equally often."""
    runs = {}
    x = torch.randn(size.frames, size.width, device=device.name, requires_grad=True)
    gates = torch.rand(size.frames, 1, device=device.name)
    grad = torch.randn_like(x)
    for number in GROWN_EXPERTS:
        experts = Experts(size.width, size.hidden, number).to(device.name)
        chosen = torch.randperm(size.frames, device=device.name).remainder(number).unsqueeze(1)
        arguments = (experts, experts, x, chosen, gates, grad, device)
        runs[f"E={number}"] = partial(_expert_step, *arguments)
    seconds = _turns(runs, device, rounds, quick)
    case = f"T={size.frames} D={size.width} H={size.hidden}, growth"
    first, last = f"E={GROWN_EXPERTS[0]}", f"E={GROWN_EXPERTS[-1]}"
    return timed_rows(case, STEP, seconds, first, {last: bar})
