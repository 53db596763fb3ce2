"""Command line options of the workers that a command uses: processes here, or a cluster."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speechmoe_espnet.data.yaml_file import read_mapping
from speechmoe_espnet.pipeline.cluster_config import ClusterConfig
from speechmoe_espnet.pipeline.pool import ProcessPool
from speechmoe_espnet.pipeline.process import Interrupted, stopping_signals_raise
from speechmoe_espnet.pipeline.workers import Workers


def add_worker_options(parser: argparse.ArgumentParser, nj: int = 1) -> None:
    """Add `--nj` and `--cluster`.

    Args:
        parser: Parser of the command.
        nj: Default number of processes.
    """
    parser.add_argument("--nj", type=int, default=nj, help="number of processes")
    add_cluster_option(parser, "what --nj processes do otherwise")


def add_cluster_option(parser: argparse.ArgumentParser, what: str) -> None:
    """Add `--cluster`.

    Args:
        parser: Parser of the command.
        what: What the cluster does.
    """
    parser.add_argument(
        "--cluster",
        type=Path,
        metavar="FILE",
        help=f"YAML with ESPnet3's `parallel:` block: its workers do {what}",
    )


def read_cluster(path: Path) -> ClusterConfig:
    """Read the `parallel:` block of a file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not valid; the message names the file.
    """
    values = read_mapping(path)
    try:
        return ClusterConfig.from_mapping(values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


@contextmanager
def workers_of(args: argparse.Namespace) -> Iterator[Workers]:
    """Give the workers that the options ask for; those of a cluster end with the block.

    Raises:
        FileNotFoundError: There is no file of `--cluster`.
        ValueError: It is not valid, or there are no processes.
        SystemExit: A signal stopped the block.
    """
    if args.cluster is None:
        yield ProcessPool(args.nj)
        return
    from speechmoe_espnet.pipeline.dask_workers import DaskWorkers

    try:
        # Jobs of a scheduler would outlive this process.
        with stopping_signals_raise(), DaskWorkers(read_cluster(args.cluster)) as workers:
            yield workers
    except Interrupted as stopped:
        raise SystemExit(128 + stopped.signum) from None
