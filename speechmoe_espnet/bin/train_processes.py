"""Train in one or several processes, which divide each batch among themselves.

The arguments are those of asr_train or lm_train. Each process of a training on GPUs has one of
them; processes on CPUs talk through gloo. The first process writes the log and the checkpoints.

With --num_nodes, torchrun starts the processes of each machine. In a Slurm job this command, run
once, starts itself on every machine by srun. Elsewhere it is run on every machine, with one
--rdzv_endpoint for all, or MASTER_ADDR and MASTER_PORT.
"""

import logging
import os
import shutil
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from speechmoe_espnet.pipeline.process import (
    Interrupted,
    end_with_parent,
    stopping_signals_raise,
)
from speechmoe_espnet.pipeline.process_group import Failed, Member, run_group
from speechmoe_espnet.system import cli

COMMANDS = ("asr_train", "lm_train")
_FIRST_PORT, _PORTS = 20000, 20000


class Nodes(NamedTuple):
    """Machines of a training.

    Attributes:
        number: How many.
        endpoint: HOST:PORT where they meet.
        by_srun: Whether this command starts itself on all of them, or runs on each.
    """

    number: int
    endpoint: str
    by_srun: bool


def get_parser() -> cli.ArgumentParser:
    """Return the command's own options; all others are those of the training."""
    parser = cli.ArgumentParser(
        prog="train_processes",
        description=__doc__,
        usage="train_processes asr_train|lm_train [--num_processes N] [--ngpu N] [--num_nodes N] "
        "[ARGUMENTS]",
    )
    parser.add_argument("command", choices=COMMANDS, help="the training")
    parser.add_argument(
        "--num_processes",
        type=int,
        default=1,
        help="processes of a training on the CPU, on each machine",
    )
    parser.add_argument(
        "--ngpu", type=int, default=0, help="GPUs of each machine, each with a process; 0: the CPU"
    )
    parser.add_argument("--num_nodes", type=int, default=1, help="machines")
    parser.add_argument(
        "--rdzv_endpoint", default="", help="HOST:PORT where the machines meet; HOST is one of them"
    )
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
        nodes = num_nodes(args.num_nodes, args.rdzv_endpoint, os.environ)
    except ValueError as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 1
    module = f"{__package__}.{args.command}"
    command = [sys.executable, "-m", module, *words, "--ngpu", str(min(args.ngpu, 1))]
    if args.num_nodes == 1 and count == 1:
        os.execv(command[0], command)
    try:
        with stopping_signals_raise():
            if nodes is not None:
                return _train_on_nodes(args.command, command, count, nodes, on_gpu=args.ngpu > 0)
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


def num_nodes(wanted: int, endpoint: str, env: Mapping[str, str]) -> Nodes | None:
    """Return where the machines of a training meet; None for this machine alone.

    Args:
        wanted: `--num_nodes`.
        endpoint: `--rdzv_endpoint`.
        env: The environment, in which Slurm describes its job.

    Raises:
        ValueError: A number is out of its range, or nothing says where the machines meet.
    """
    if wanted < 1:
        raise ValueError(f"--num_nodes {wanted}: at least 1")
    if wanted == 1:
        if endpoint:
            raise ValueError(f"--rdzv_endpoint {endpoint} has no effect without --num_nodes")
        return None
    if endpoint:
        return Nodes(wanted, endpoint, by_srun=False)
    job = env.get("SLURM_JOB_ID", "")
    if job.isdecimal():
        allocated = env.get("SLURM_JOB_NUM_NODES", "1")
        if allocated != str(wanted):
            raise ValueError(
                f"--num_nodes {wanted}: this Slurm job has {allocated} nodes; "
                f"submit it with --nodes={wanted}"
            )
        port = _FIRST_PORT + int(job) % _PORTS
        return Nodes(wanted, f"{socket.gethostname()}:{port}", by_srun=True)
    if env.get("MASTER_ADDR") and env.get("MASTER_PORT"):
        return Nodes(wanted, f"{env['MASTER_ADDR']}:{env['MASTER_PORT']}", by_srun=False)
    raise ValueError(
        f"--num_nodes {wanted}: where do the machines meet? Submit a Slurm job, or run this on "
        "every machine with --rdzv_endpoint HOST:PORT, or MASTER_ADDR and MASTER_PORT"
    )


def _train_on_nodes(
    name: str, command: Sequence[str], count: int, nodes: Nodes, *, on_gpu: bool
) -> int:
    if nodes.by_srun:
        number = "--ngpu" if on_gpu else "--num_processes"
        # The training's own --ngpu, 1 or 0, stands at the end of the command.
        words = [
            *("srun", f"--nodes={nodes.number}", f"--ntasks={nodes.number}"),
            *("--ntasks-per-node=1", "--kill-on-bad-exit=1"),
            *(sys.executable, "-m", f"{__package__}.train_processes", name, *command[3:-2]),
            *(number, str(count), "--num_nodes", str(nodes.number)),
            *("--rdzv_endpoint", nodes.endpoint),
        ]
        failed = run_group([Member(words, dict(os.environ))])
        return 0 if failed is None else failed.status % 256
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    if not on_gpu:
        for variable, threads in _threads(count).items():
            os.environ.setdefault(variable, threads)
    config = LaunchConfig(
        min_nodes=nodes.number,
        max_nodes=nodes.number,
        nproc_per_node=count,
        run_id=os.environ.get("SLURM_JOB_ID", name),
        rdzv_backend="c10d",
        rdzv_endpoint=nodes.endpoint,
        max_restarts=0,
    )
    words = [
        *command[1:],
        *("--multiprocessing_distributed", "false"),
        *("--dist_backend", "nccl" if on_gpu else "gloo"),
        *("--dist_init_method", "env://"),
    ]
    # torchrun tells of a failure by a page of text.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    try:
        elastic_launch(config, command[0])(*words)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        return _say(name, Failed(rank, failure.exitcode), count * nodes.number)
    return 0


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
    return _threads(count) | env


def _threads(count: int) -> dict[str, str]:
    """Return the variables that give each of `count` processes its share of the cores."""
    threads = str(max(1, len(os.sched_getaffinity(0)) // count))
    return dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), threads)


def _report(name: str, failed: Failed, count: int, output: Path | None) -> int:
    """Show the last words of the process that failed; return its status."""
    if output is not None:
        sys.stderr.flush()
        with output.open("rb") as file:
            shutil.copyfileobj(file, sys.stderr.buffer)
        sys.stderr.flush()
    return _say(name, failed, count)


def _say(name: str, failed: Failed, count: int) -> int:
    """Say which process was killed, for it could not; return its status."""
    who = f"{name}: error: process {failed.number + 1} of {count}"
    end = "so the others were stopped; the same command goes on after the last finished epoch"
    if failed.status < 0:
        print(f"{who} was killed by {signal.Signals(-failed.status).name}, {end}", file=sys.stderr)
        return 128 - failed.status
    return failed.status


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main())
