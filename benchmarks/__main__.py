"""Measure speed and memory of several systems in one run, and check the bars."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import torch

from benchmarks import ctc, decode, encoder, experts, export, fbank, graph
from benchmarks.picture import draw
from benchmarks.result import read_rows, table, write_json
from benchmarks.timing import torch_threads
from speechmoe_espnet.system import cli
from speechmoe_espnet.system.provenance import commit, machine, versions

BENCHMARKS: dict[str, ModuleType] = {
    "experts": experts,
    "encoder": encoder,
    "ctc": ctc,
    "decode": decode,
    "graph": graph,
    "fbank": fbank,
    "export": export,
}
PICTURE = "picture"


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(prog="benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="benchmark", required=True)
    for name, module in BENCHMARKS.items():
        text = str(module.__doc__).splitlines()[0]
        command = commands.add_parser(name, help=text, description=module.__doc__)
        command.add_argument("--output_dir", type=Path, help=f"directory for bench_{name}.json")
        command.add_argument("--rounds", type=int, help="number of timed runs of each system")
        command.add_argument(
            "--num_threads", type=int, default=1, help="number of threads per system"
        )
        command.add_argument(
            "--quick", action="store_true", help="small cases, to test the benchmark"
        )
        module.add_arguments(command)
    text = "draw the ratios in JSON files of the other benchmarks"
    command = commands.add_parser(PICTURE, help=text, description=text)
    command.add_argument("--input", type=Path, nargs="+", required=True, help="bench_NAME.json ...")
    command.add_argument("--output", type=Path, required=True, help="picture: png, svg or pdf")
    return parser


def bench(args: argparse.Namespace) -> None:
    """Run one benchmark, print its table and write its JSON; or draw such files."""
    if args.benchmark == PICTURE:
        draw([row for path in args.input for row in read_rows(path)], args.output)
        return
    if args.num_threads < 1:
        raise ValueError(f"--num_threads must be at least 1, got {args.num_threads}")
    if args.rounds is not None and args.rounds < 1:
        raise ValueError(f"--rounds must be at least 1, got {args.rounds}")
    if args.output_dir is not None:
        args.output_dir.mkdir(parents=True, exist_ok=True)
    with torch_threads(args.num_threads):
        rows = BENCHMARKS[args.benchmark].run(args)
    print(table(rows), end="")
    if args.output_dir is not None:
        path = args.output_dir / f"bench_{args.benchmark}.json"
        write_json(path, rows, _meta(args))
        print(f"figures: {path}")


def _meta(args: argparse.Namespace) -> dict[str, object]:
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "command": shlex.join(["python", "-m", "benchmarks", *args.words]),
        "commit": commit(),
        "versions": versions(),
        "machine": {**machine(), "cpu": torch.backends.cpu.get_cpu_capability(), "gpu": gpu},
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = get_parser()
    parser.set_defaults(words=words)
    return cli.run(bench, parser, words)


if __name__ == "__main__":
    sys.exit(main())
