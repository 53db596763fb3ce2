"""Measurements for GPUs: rate of experts against the ceiling, and host synchronisations."""

from collections.abc import Callable

import torch

from benchmarks.device import Device
from benchmarks.result import Row
from benchmarks.timing import Spread, interleave
from speechmoe_espnet.moe.grouped import grouped_mm

PASSES = 3  # forward, and backward to rows and to weights
LEAST_SHARE_OF_CEILING = 0.4
# Every copy to the host calls one of these.
SYNCHRONIZING = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
_WATCHED = "watched for host syncs"


def ceiling_rows(device: Device, rounds: int) -> list[Row]:
    """Measure the TFLOP/s of one large matrix product in the device's number type."""
    ceiling = device.ceiling(rounds)
    return [Row("one large product", "rate", str(device.dtype), "TFLOP/s", ceiling)]


def product_rows(
    frames: int, width: int, hidden: int, num_experts: int, device: Device, rounds: int
) -> list[Row]:
    """Measure the grouped products of experts, forward and backward, against the ceiling.

    Args:
        frames: N.
        width: D.
        hidden: H.
        num_experts: E, each chosen equally often.
        device: Device and number type.
        rounds: Number of timed runs.

    Returns:
        One row; its ratio is the ceiling's rate over the experts'.
    """
    shapes = ((frames, width), (num_experts, width, hidden), (num_experts, hidden, width))
    rows, w1, w2 = (
        torch.randn(shape, device=device.name, dtype=device.dtype, requires_grad=True)
        for shape in shapes
    )
    offsets = torch.arange(1, num_experts + 1, device=device.name) * frames // num_experts
    offsets = offsets.to(torch.int32)
    grad = torch.randn_like(rows)

    def run() -> None:
        rows.grad = w1.grad = w2.grad = None
        out = grouped_mm(grouped_mm(rows, w1, offsets), w2, offsets)
        torch.autograd.backward(out, grad)

    seconds = interleave(
        {"products": run}, rounds, synchronize=device.synchronize, min_seconds=0.05
    )["products"]
    flops = PASSES * 2 * 2 * frames * width * hidden
    rate = Spread.of([flops / second / 1e12 for second in seconds])
    ratio = Spread.of([device.ceiling(rounds).median / rate.median])
    case = f"N={frames} D={width} H={hidden} E={num_experts}, grouped products"
    bar = 1 / LEAST_SHARE_OF_CEILING
    return [Row(case, "rate", "forward+backward", "TFLOP/s", rate, ratio, bar)]


def sync_rows(case: str, run: Callable[[], object]) -> list[Row]:
    """Count how often the host waits for the device during `run`; the bar is 0.

    Args:
        case: Name of the case.
        run: Called once to warm up, once under torch's profiler.
    """
    from torch.profiler import ProfilerActivity, profile, record_function

    run()
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        with record_function(_WATCHED):
            run()
        torch.cuda.synchronize()
    events = profiler.events() or ()
    (watched,) = (e.time_range for e in events if e.name == _WATCHED and not e.device_index)
    waits = sum(
        event.name in SYNCHRONIZING and watched.start <= event.time_range.start < watched.end
        for event in events
    )
    found = Spread.of([float(waits)])
    return [Row(case, "host syncs", "forward+backward", "syncs", found, found, 0.0)]
