"""Train and decode the systems of a grid, and write tables and pictures of the results."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from speechmoe_espnet.data.worker_options import add_cluster_option, read_cluster
from speechmoe_espnet.grids.grid import Grid, Run
from speechmoe_espnet.grids.grid_file import read_grid
from speechmoe_espnet.grids.outputs import write_report, write_table
from speechmoe_espnet.grids.runner import Runner
from speechmoe_espnet.grids.workplace import Workplace
from speechmoe_espnet.pipeline.lock import TargetLock
from speechmoe_espnet.pipeline.process import Interrupted, stopping_signals_raise
from speechmoe_espnet.system.cli import ArgumentParser, run


def get_parser() -> ArgumentParser:
    """Return the command's options."""
    parser = ArgumentParser(
        prog="grid",
        description=__doc__,
        epilog="The command may be stopped and started again: finished runs are skipped, and a "
        "stopped training resumes from its last checkpoint.",
    )
    parser.add_argument("grid", type=Path, help="egs/*/asr1/grids/NAME.yaml")
    parser.add_argument(
        "--jobs", type=int, default=1, help="number of parallel runs, one thread each"
    )
    parser.add_argument(
        "--ngpu", type=int, default=0, choices=(0, 1), help="number of GPUs per run"
    )
    parser.add_argument(
        "--nj", type=int, default=1, help="number of processes for data, features and statistics"
    )
    add_cluster_option(parser, "the runs, as many side by side as there are, and what --nj does")
    parser.add_argument("--list", action="store_true", help="list the runs and exit")
    parser.add_argument(
        "--report", action="store_true", help="only report on finished runs; train nothing"
    )
    parser.add_argument(
        "--results_md",
        type=Path,
        help="file that also gets the table that answers the grid's question, between its markers "
        "of generated sections; all tables go into results/NAME.md beside it",
    )
    return parser


def run_grid(args: argparse.Namespace) -> None:
    """List, run or report, as the options say.

    Args:
        args: Parsed arguments of `get_parser`.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: The grid is not valid, or a run failed; the message names it.
    """
    grid = read_grid(args.grid)
    workplace = Workplace(grid, args.nj, args.cluster)
    if args.list:
        for item in grid.runs():
            print(f"{item.experiment}\t{item.label}\tseed {item.seed}\t{_state(workplace, item)}")
        return
    workplace.directory.mkdir(parents=True, exist_ok=True)
    with TargetLock(workplace.directory):
        failed = {} if args.report else _run(grid, workplace, args)
        finished = workplace.finished_runs()
        if not finished:
            raise ValueError(f"{args.grid}: no run is finished" + _list_failed(failed))
        print(write_report(grid, finished, workplace.directory, args.results_md), end="")
        print(f"pictures: {workplace.directory / 'index.html'}")
    if failed:
        raise ValueError(f"{args.grid}: {len(failed)} runs failed" + _list_failed(failed))


def _state(workplace: Workplace, item: Run) -> str:
    home = workplace.home(item)
    if home is not None:
        return "finished" if home == item.experiment else f"finished as {home}"
    trained = workplace.trained_as(item)
    return "to do" if trained is None else f"to decode, trained as {trained}"


def _run(grid: Grid, workplace: Workplace, args: argparse.Namespace) -> dict[str, str]:
    def say(line: str) -> None:
        print(line, flush=True)

    def after_each() -> None:
        write_table(workplace.finished_runs(), workplace.directory)

    run_all = partial(Runner, grid, workplace, ngpu=args.ngpu, say=say, after_each=after_each)
    if args.cluster is None:
        return run_all(jobs=args.jobs).run().failed
    from speechmoe_espnet.pipeline.dask_command import DaskCommand
    from speechmoe_espnet.pipeline.dask_workers import DaskWorkers

    with DaskWorkers(read_cluster(args.cluster)) as workers:
        launch = partial(DaskCommand, workers)
        return run_all(jobs=workers.count, launch=launch).run().failed


def _list_failed(failed: dict[str, str]) -> str:
    return "".join(f"\n  {name}: {reason}" for name, reason in failed.items())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see `--help`."""
    try:
        with stopping_signals_raise():
            return run(run_grid, get_parser(), argv)
    except Interrupted as error:
        print(f"grid: stopped by {error}; the same command resumes", file=sys.stderr)
        return 128 + error.signum


if __name__ == "__main__":
    sys.exit(main())
