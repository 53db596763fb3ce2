"""Exported models in onnxruntime: sparse experts against their dense baseline and other exports.

The first case is a stack of six MoE layers. It is measured with routing, with rows split evenly (no
routing), and with the weights of one expert for all (fewer bytes to read). The three ratios explain
the factor to the dense baseline. The other cases are whole encoders, with PyTorch in the same
turns.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from benchmarks.result import Row, timed_rows
from benchmarks.timing import Spread, interleave
from speechmoe_espnet.moe import MoEFeedForward, embedding_logits

if TYPE_CHECKING:
    import onnx_ir

    from speechmoe_espnet.export.nodes import Dispatch, Precision

ROUNDS = 40
ENCODER_ROUNDS = 15
QUICK_ROUNDS = 3
BASELINE = "dense baseline, ONNX"
SPARSE = "sparse, ONNX"
LOOP = "traced loop over experts"
BAR = 1.25


@dataclass(frozen=True)
class Size:
    """Size of a stack: T frames, width D, hidden size H, E experts."""

    frames: int
    width: int
    hidden: int
    experts: int
    layers: int = 6

    def __str__(self) -> str:
        return (
            f"{self.layers} MoE layers, T={self.frames} D={self.width} H={self.hidden} "
            f"E={self.experts}"
        )


class Stack(nn.Module):
    """Feed-forward layers with residuals, routed by an embedding and their own input."""

    def __init__(self, size: Size, num_experts: int, router_scale: str = "paper") -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            MoEFeedForward(
                size.width,
                size.hidden,
                num_experts,
                embedding_size=size.width,
                router_scale=router_scale,
            )
            for _ in range(size.layers)
        )

    def forward(self, x: Tensor, lengths: Tensor, embedding: Tensor) -> Tensor:
        """(B, T, D), (B,), (B, T, De) to (B, T, D)."""
        mask = torch.arange(x.size(1)).unsqueeze(0) < lengths.unsqueeze(1)
        routers: list[Any] = [layer.router for layer in self.layers if layer.router]
        logits: Any = [None] * len(self.layers)
        if routers:
            logits = embedding_logits(routers, embedding, None)
        for layer, part in zip(self.layers, logits, strict=True):
            x = x + layer(x, mask, embedding_logits=part)[0]
        return x


class Encoder(nn.Module):
    """An encoder that also outputs its embedding network.

    Nothing reads the embedding network of a dense baseline, so an export would leave it out. As an
    output it is kept, and both sides of the comparison differ in their experts alone.
    """

    def __init__(self, encoder: Any, embedding: bool = True) -> None:
        super().__init__()
        self.encoder = encoder
        self.embedding = embedding

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """(B, T, F), (B,) to (B, T', D), (B, T', De)."""
        out = self.encoder.forward_with_routing(features, lengths)
        if self.embedding:
            return out.encoder_out, out.embedding_out
        return out.encoder_out, out.encoder_out_lens


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=("layers", "speechmoe", "speechmoe_conformer"),
        default=["layers", "speechmoe", "speechmoe_conformer"],
        help="cases: layers alone, and encoders",
    )


def run(args: argparse.Namespace) -> list[Row]:
    """Measure.

    Args:
        args: Options of the command.

    Raises:
        ValueError: A package that exporting needs is not installed.
    """
    for package in ("onnxruntime", "onnxscript"):
        if find_spec(package) is None:
            raise ValueError(
                f"{package} is not installed; utils/setup.sh installs it, or `pip install onnx "
                f"onnxscript onnxruntime`"
            )
    rows = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if "layers" in args.parts:
            sizes = [Size(400, 256, 1024, 8), Size(1600, 256, 1024, 8)]
            for size in [Size(64, 32, 64, 4, 2)] if args.quick else sizes:
                rows += _layers(args, size)
        for name in ("speechmoe", "speechmoe_conformer"):
            if name in args.parts:
                rows += _encoder(args, name)
    return rows


def _layers(args: argparse.Namespace, size: Size) -> list[Row]:
    from benchmarks import export_rivals as rivals
    from speechmoe_espnet.export.int8 import INT8
    from speechmoe_espnet.export.nodes import FLOAT32, sorted_dispatch

    dense, sparse = Stack(size, 1).eval(), Stack(size, size.experts).eval()
    unrouted = Stack(size, size.experts, "straight_through").eval()
    unrouted.load_state_dict(sparse.state_dict())
    traced = {id(model): _trace_stack(model, size) for model in (dense, sparse, unrouted)}
    plans: dict[str, tuple[Stack, Precision, Dispatch]] = {
        BASELINE: (dense, FLOAT32, sorted_dispatch),
        SPARSE: (sparse, FLOAT32, sorted_dispatch),
        "  rows split evenly, no routing": (unrouted, FLOAT32, rivals.evenly_split),
        "  the same, one expert's weights": (unrouted, FLOAT32, rivals.one_set_of_weights),
        "expert by expert, our constants": (sparse, FLOAT32, rivals.scattered),
        "all experts and a mask": (sparse, FLOAT32, rivals.all_experts),
        "sparse int8, ONNX": (sparse, INT8, sorted_dispatch),
        "sparse int8 with signed weights": (sparse, rivals.SIGNED, sorted_dispatch),
        "sparse int8 by MatMulNBits": (sparse, rivals.BLOCKS, sorted_dispatch),
        "dense baseline int8, ONNX": (dense, INT8, sorted_dispatch),
    }
    loop = rivals.TracedLoop(sparse).eval()
    x = torch.randn(1, size.frames, size.width)
    inputs = (x, torch.tensor([size.frames]), torch.randn_like(x))
    feed = dict(zip(("x", "lengths", "embedding"), (i.numpy() for i in inputs), strict=True))
    systems: dict[str, Callable[[], object]] = {}
    megabytes = {}
    for name, (model, precision, dispatch) in plans.items():
        graph = traced[id(model)].clone()
        systems[name], megabytes[name] = _system(
            graph, model, precision, dispatch, feed, args.num_threads
        )
    systems[LOOP], megabytes[LOOP] = _system(
        _trace_stack(loop, size), loop, FLOAT32, sorted_dispatch, feed, args.num_threads
    )
    systems["sparse, PyTorch"] = _eager(sparse, inputs)
    systems["dense baseline, PyTorch"] = _eager(dense, inputs)
    rounds = args.rounds or (QUICK_ROUNDS if args.quick else ROUNDS)
    seconds = interleave(systems, rounds)
    # Quick cases have no bar; it was set for the full sizes.
    bars = {} if args.quick else {SPARSE: BAR}
    return timed_rows(str(size), "forward", seconds, BASELINE, bars) + _sizes(str(size), megabytes)


def _encoder(args: argparse.Namespace, name: str) -> list[Row]:
    from speechmoe_espnet.encoder.speechmoe_conformer import SpeechMoEConformerEncoder
    from speechmoe_espnet.encoder.speechmoe_encoder import SpeechMoEEncoder
    from speechmoe_espnet.export.acoustic import INPUTS, trace
    from speechmoe_espnet.export.int8 import INT8
    from speechmoe_espnet.export.nodes import FLOAT32, sorted_dispatch

    kind: Any = SpeechMoEEncoder if name == "speechmoe" else SpeechMoEConformerEncoder
    sizes: dict[str, Any] = {"num_blocks": 6, "output_size": 256, "linear_units": 1024}
    frames, bins = 1200 if name == "speechmoe" else 1600, 40
    if args.quick:
        sizes, frames = {"num_blocks": 1, "output_size": 32, "linear_units": 64}, 100
    if name == "speechmoe":
        sizes["attention_every"] = min(3, sizes["num_blocks"])
    baseline = kind(bins, moe_conf={"num_experts": 1}, **sizes).eval()
    models = {
        "dense baseline": Encoder(baseline),
        "dense baseline without embedding network": Encoder(baseline, embedding=False),
        "sparse": Encoder(kind(bins, moe_conf={"num_experts": 8}, **sizes).eval()),
    }
    features, lengths = torch.randn(1, frames, bins), torch.tensor([frames])
    feed = dict(zip(INPUTS, (features.numpy(), lengths.numpy()), strict=True))
    systems: dict[str, Callable[[], object]] = {}
    megabytes = {}
    for label, model in models.items():
        graph = trace(model.eval(), bins, 16)
        for suffix, precision in (("", FLOAT32), (" int8", INT8)):
            system = f"{label}{suffix}, ONNX"
            systems[system], megabytes[system] = _system(
                graph.clone(), model, precision, sorted_dispatch, feed, args.num_threads
            )
        if model.embedding:
            systems[f"{label}, PyTorch"] = _eager(model, (features, lengths))
    rounds = args.rounds or (QUICK_ROUNDS if args.quick else ENCODER_ROUNDS)
    text = " ".join(f"{key}={value}" for key, value in sizes.items())
    case = f"{name}, {frames / 100:.0f} s, E=8 {text}"
    seconds = interleave(systems, rounds)
    return timed_rows(case, "forward", seconds, BASELINE) + _sizes(case, megabytes)


def _trace_stack(model: nn.Module, size: Size) -> "onnx_ir.Model":
    from speechmoe_espnet.export.acoustic import trace_module

    batch, frames = torch.export.Dim("batch"), torch.export.Dim("frames")
    x = torch.randn(2, 3 * size.experts, size.width)
    examples = (x, torch.tensor([x.size(1), 5]), torch.randn_like(x))
    dynamic = ({0: batch, 1: frames}, {0: batch}, {0: batch, 1: frames})
    return trace_module(model, examples, dynamic, ("x", "lengths", "embedding"), ("y",))


def _system(
    graph: "onnx_ir.Model",
    model: nn.Module,
    precision: "Precision",
    dispatch: "Dispatch",
    feed: Mapping[str, Any],
    num_threads: int,
) -> tuple[Callable[[], object], float]:
    """Write and load a graph; return a function that runs it, and its size in MB."""
    import onnx_ir as ir

    from speechmoe_espnet.export.nodes import expand
    from speechmoe_espnet.export.session import open_session
    from speechmoe_espnet.export.weights import feed_forward_weights

    expand(graph, feed_forward_weights(model), precision, dispatch)
    data = ir.to_proto(graph).SerializeToString()
    session = open_session(data, num_threads)
    return lambda: session.run(None, dict(feed)), len(data) / 1e6


def _eager(model: nn.Module, inputs: tuple[Tensor, ...]) -> Callable[[], object]:
    def run() -> object:
        with torch.inference_mode():
            return model(*inputs)

    return run


def _sizes(case: str, megabytes: Mapping[str, float]) -> list[Row]:
    return [
        Row(case, "file", system, "MB", Spread.of([size]))
        for system, size in megabytes.items()
        if not system.startswith(" ")
    ]
