"""Plan a training with experts divided among ranks: memory, bytes and seconds a step, on paper.

Nothing is run: the encoder is built without values, the rest are formulas. Each figure is of one
rank and one optimiser step. The formulas are in docs/explanation/expert_parallel.md.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from speechmoe_espnet.encoder.speechmoe_conformer import SpeechMoEConformerEncoder
from speechmoe_espnet.espnet.parameter_groups import parameter_groups
from speechmoe_espnet.moe.expert_parallel import count_bytes
from speechmoe_espnet.system import cli

BYTES_OF_A_TRAINED_VALUE = 16
"""Parameter, gradient and two moments of AdamW, in float32."""
GRADIENT_BYTES = 4
EXCHANGES = 4
"""Of a layer and step: there and back, forward and backward."""
FRAMES_PER_SECOND = 25
"""Of speech, after subsampling by 4."""


@dataclass(frozen=True)
class Training:
    """What a plan is made of.

    Attributes:
        dense: Parameters that every rank has.
        experts: Parameters of all experts.
        layers: Layers with experts.
        num_experts: E.
        width: D.
        ranks: N.
        frames: Frames of a rank and step, after subsampling: T.
        top_k: K.
        value_bytes: Bytes of a value that travels: 2 under bfloat16, 4 in float32.
        imbalance: Rows of the busiest rank over the mean.
    """

    dense: int
    experts: int
    layers: int
    num_experts: int
    width: int
    ranks: int
    frames: int
    top_k: int = 1
    value_bytes: int = 2
    imbalance: float = 1.0

    @property
    def parameters(self) -> int:
        """Parameters of a rank."""
        return self.dense + self.experts // self.ranks

    @property
    def memory(self) -> int:
        """Bytes of parameters, gradients and moments of a rank."""
        return BYTES_OF_A_TRAINED_VALUE * self.parameters

    @property
    def exchange(self) -> float:
        """Bytes that a rank sends for its frames and for the rows that arrive, balanced."""
        leaving = self.frames * self.top_k * (self.ranks - 1) / self.ranks
        rows = EXCHANGES * leaving * self.width * self.value_bytes
        return self.layers * (rows * self.imbalance + count_bytes(self.num_experts, self.ranks))

    @property
    def message(self) -> float:
        """Bytes of one rank's message to another in one exchange."""
        return self.frames * self.top_k * self.width * self.value_bytes / self.ranks

    def all_reduce(self, parameters: int) -> float:
        """Bytes that a rank sends to average gradients around a ring."""
        return 2 * (self.ranks - 1) / self.ranks * parameters * GRADIENT_BYTES

    def compute(self, tflops: float) -> float:
        """Seconds of the products of a step: 6 FLOP for each active parameter and frame."""
        active = self.dense + self.experts * self.top_k / self.num_experts
        return 6 * active * self.frames / (tflops * 1e12)


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(prog="expert_plan", description=__doc__)
    numbers = (
        ("ranks", 64, "N"),
        ("experts", 64, "E, a multiple of N"),
        ("blocks", 12, "blocks of the Conformer"),
        ("moe_blocks", 8, "blocks with experts, the last ones"),
        ("width", 512, "D"),
        ("hidden", 2048, "H"),
        ("top_k", 1, "K"),
        ("seconds", 400, "seconds of speech of a rank and step"),
        ("value_bytes", 2, "bytes of a value that travels: 2 with --use_amp, 4 without"),
    )
    for name, default, text in numbers:
        parser.add_argument(f"--{name}", type=int, default=default, help=text)
    parser.add_argument("--tflops", type=float, default=150.0, help="TFLOP/s that a rank reaches")
    parser.add_argument("--latency", type=float, default=5e-6, help="seconds of a message")
    parser.add_argument("--imbalance", type=float, default=1.3, help="busiest rank over the mean")
    parser.add_argument("--gbits", type=float, nargs="+", default=[400.0, 50.0], help="Gbit/s")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Print the plan as tables of Markdown."""
    args = get_parser().parse_args(argv)
    if args.ranks < 2 or args.experts % args.ranks:
        print(
            f"expert_plan: error: --experts {args.experts} --ranks {args.ranks}: at least 2 ranks, "
            "which divide the experts",
            file=sys.stderr,
        )
        return 1
    first = args.blocks - args.moe_blocks + 1
    with torch.device("meta"):
        encoder = SpeechMoEConformerEncoder(
            80,
            output_size=args.width,
            linear_units=args.hidden,
            num_blocks=args.blocks,
            attention_heads=8,
            moe_conf={
                "num_experts": args.experts,
                "top_k": args.top_k,
                "moe_blocks": list(range(first, args.blocks + 1)),
            },
        )
    groups = parameter_groups(encoder)
    experts = sum(parameter.numel() for parameter in groups.experts)
    plan = Training(
        dense=sum(parameter.numel() for parameter in (*groups.rest, *groups.routers)),
        experts=experts,
        layers=args.moe_blocks,
        num_experts=args.experts,
        width=args.width,
        ranks=args.ranks,
        frames=args.seconds * FRAMES_PER_SECOND,
        top_k=args.top_k,
        value_bytes=args.value_bytes,
        imbalance=args.imbalance,
    )
    for line in (*_sizes(plan), "", *_times(plan, args)):
        print(line)
    return 0


def _sizes(plan: Training) -> list[str]:
    everywhere = Training(**(vars(plan) | {"dense": plan.dense + plan.experts, "experts": 0}))
    sent = plan.all_reduce(plan.dense), plan.all_reduce(everywhere.dense)
    rows = (
        ("parameters of a rank", plan.parameters, everywhere.parameters, 1e6, "M"),
        ("parameters, gradients, AdamW", plan.memory, everywhere.memory, 1e9, "GB"),
        ("gradients averaged, bytes sent", *sent, 1e6, "MB"),
        ("frames exchanged, bytes sent", plan.exchange, 0, 1e6, "MB"),
    )
    head = f"{plan.ranks} ranks, {(plan.dense + plan.experts) / 1e6:.0f} M parameters"
    return [
        f"| {head} | experts divided | experts on every rank |",
        "| --- | --- | --- |",
        *(
            f"| {name} | {divided / unit:,.1f} {sign} | {whole / unit:,.1f} {sign} |"
            for name, divided, whole, unit, sign in rows
        ),
    ]


def _times(plan: Training, args: argparse.Namespace) -> list[str]:
    compute = plan.compute(args.tflops)
    waiting = EXCHANGES * plan.layers * (plan.ranks - 1) * args.latency
    everywhere = plan.dense + plan.experts
    lines = [
        "| milliseconds a step | " + " | ".join(f"{rate:g} Gbit/s" for rate in args.gbits) + " |",
        "| --- |" + " --- |" * len(args.gbits),
    ]

    def row(name: str, values: Sequence[float]) -> None:
        lines.append(f"| {name} | " + " | ".join(f"{1e3 * v:,.1f}" for v in values) + " |")

    rates = [gbits * 1e9 / 8 for gbits in args.gbits]
    exchange = [plan.exchange / rate for rate in rates]
    dense = [plan.all_reduce(plan.dense) / rate for rate in rates]
    row(f"products, {args.tflops:g} TFLOP/s", [compute] * len(rates))
    row("exchanges: bytes", exchange)
    row(f"exchanges: messages, {args.latency * 1e6:g} us each", [waiting] * len(rates))
    row("dense gradients (run beside the backward pass)", dense)
    row(
        "a step at least, experts divided",
        [
            max(compute * args.imbalance, wire) + moved + waiting
            for moved, wire in zip(exchange, dense, strict=True)
        ],
    )
    row(
        "a step at least, experts on every rank",
        [max(compute, plan.all_reduce(everywhere) / rate) for rate in rates],
    )
    limit = plan.exchange / compute * 8 / 1e9
    equal = args.latency * rates[0] / 1e3
    lines += [
        "",
        f"- Exchanges take as long as the products at {limit:,.0f} Gbit/s, for any batch.",
        f"- A message to one rank has {plan.message / 1e3:,.0f} kB; below {equal:,.0f} kB at "
        f"{args.gbits[0]:g} Gbit/s its latency costs more than its bytes.",
        f"- The first rank gathers {12 * plan.experts / 1e9:,.1f} GB for a checkpoint.",
    ]
    return lines


if __name__ == "__main__":
    sys.exit(main())
