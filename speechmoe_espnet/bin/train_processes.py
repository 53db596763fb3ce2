"""Train in one or several processes of this machine, which divide each batch among themselves.

The arguments are those of asr_train or lm_train. Each process of a training on GPUs has one of
them; processes on CPUs talk through gloo. The first process writes the log and the checkpoints.
"""

import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from speechmoe_espnet.pipeline.process import (
    Interrupted,
    end_with_parent,
    stopping_signals_raise,
)
from speechmoe_espnet.pipeline.process_group import Failed, Member, run_group
from speechmoe_espnet.system import cli

COMMANDS = ("asr_train", "lm_train")


def get_parser() -> cli.ArgumentParser:
    """Return the command's own options; all others are those of the training."""
    parser = cli.ArgumentParser(
        prog="train_processes",
        description=__doc__,
        usage="train_processes asr_train|lm_train [--num_processes N] [--ngpu N] [ARGUMENTS]",
    )
    parser.add_argument("command", choices=COMMANDS, help="the training")
    parser.add_argument(
        "--num_processes", type=int, default=1, help="processes of a training on the CPU"
    )
    parser.add_argument("--ngpu", type=int, default=0, help="GPUs, each with a process; 0: the CPU")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Arguments without the program name; None reads sys.argv.

    Returns:
        Exit status: that of the process that failed, 128 + N if signal N ended it or this one.
    """
    parser = get_parser()
    args, words = parser.parse_known_args(argv)  # type: ignore[no-untyped-call]
    try:
        count = num_processes(args.num_processes, args.ngpu)
    except ValueError as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 1
    module = f"{__package__}.{args.command}"
    command = [sys.executable, "-m", module, *words, "--ngpu", str(min(args.ngpu, 1))]
    if count == 1:
        os.execv(command[0], command)
    try:
        with stopping_signals_raise():
            return _train(args.command, command, count, on_gpu=args.ngpu > 0)
    except Interrupted as error:
        print(f"{args.command}: stopped by {error}", file=sys.stderr)
        return 128 + error.signum


def num_processes(wanted: int, ngpu: int) -> int:
    """Return the number of processes of a training.

    Args:
        wanted: `--num_processes`.
        ngpu: `--ngpu`.

    Raises:
        ValueError: A number is out of its range, or the two contradict each other.
    """
    if wanted < 1:
        raise ValueError(f"--num_processes {wanted}: at least 1")
    if ngpu < 0:
        raise ValueError(f"--ngpu {ngpu}: at least 0")
    if wanted > 1 and ngpu > 0:
        raise ValueError(
            f"--num_processes {wanted} --ngpu {ngpu}: a training on GPUs has one process each; "
            f"leave --num_processes out"
        )
    return max(wanted, ngpu)


def _train(name: str, command: Sequence[str], count: int, *, on_gpu: bool) -> int:
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="train_processes.")))
        words = [
            *command,
            *("--multiprocessing_distributed", "false"),
            *("--dist_backend", "nccl" if on_gpu else "gloo"),
            *("--dist_init_method", f"file://{scratch}/rendezvous"),
        ]
        # ESPnet logs the first process alone; of the others only their last words are of use.
        outputs = [None, *(scratch / f"{rank}.log" for rank in range(1, count))]
        members = [
            Member(
                words,
                _environment(rank, count, on_gpu=on_gpu),
                None if output is None else stack.enter_context(output.open("wb")),
            )
            for rank, output in enumerate(outputs)
        ]
        failed = run_group(members)
        if failed is None:
            return 0
        return _report(name, failed, count, outputs[failed.number])


def _environment(rank: int, count: int, *, on_gpu: bool) -> Mapping[str, str]:
    """Return the environment of one process, as ESPnet and torch.distributed read it."""
    env = dict(os.environ) | {"RANK": str(rank), "WORLD_SIZE": str(count)}
    if on_gpu:
        return env | {"LOCAL_RANK": str(rank)}
    # All are on this machine: no name of it needs to be known.
    env.setdefault("GLOO_SOCKET_IFNAME", "lo")
    threads = str(max(1, len(os.sched_getaffinity(0)) // count))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        env.setdefault(name, threads)
    return env


def _report(name: str, failed: Failed, count: int, output: Path | None) -> int:
    """Say which process failed and how; return its status."""
    who = f"{name}: error: process {failed.number + 1} of {count}"
    end = "so the others were stopped; the same command goes on after the last finished epoch"
    if output is not None:
        sys.stderr.flush()
        with output.open("rb") as file:
            shutil.copyfileobj(file, sys.stderr.buffer)
        sys.stderr.flush()
    if failed.status < 0:
        print(f"{who} was killed by {signal.Signals(-failed.status).name}, {end}", file=sys.stderr)
        return 128 - failed.status
    return failed.status


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main())
