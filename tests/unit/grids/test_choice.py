"""The best settings of each system, on dev."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import fake_experiment
from shell_grid import make_grid

from speechmoe_espnet.grids.choice import best_points, choice_markdown
from speechmoe_espnet.grids.grid import Grid, SystemSpec
from speechmoe_espnet.grids.workplace import Workplace

# Error rates of the made-up systems by learning rate: static is best within, moe at the edge.
RATES = {"static": (0.3, 0.1, 0.2), "moe": (0.3, 0.2, 0.05)}
AXES = {"optim_conf.lr": [1, 2, 3]}


@pytest.fixture
def searched(tmp_path):
    """A grid of two systems and three learning rates, two seeds, all finished."""
    systems = {"static": SystemSpec(), "moe": SystemSpec()}
    plain = make_grid(tmp_path, systems, seeds=(0, 1))
    grid = Grid(**{**vars(plain), "sets": ["dev"], "axes": AXES})
    workplace = Workplace(grid)
    fake_experiment.make_references(tmp_path / "dump", ["dev"], num_utts=12)
    for run in grid.runs():
        rate = RATES[run.system][run.point["optim_conf.lr"] - 1]
        directory = workplace.experiments / run.experiment
        fake_experiment.make_experiment(
            directory, tmp_path / "dump", ["dev"], error_rate=rate, seed=run.seed
        )
        workplace.mark_finished(run)
    return grid, workplace


def test_each_system_has_its_best_point_first(searched):
    grid, workplace = searched
    finished = workplace.finished_runs()
    points = best_points(grid, finished)
    assert [(point.system, point.values["optim_conf.lr"], point.best) for point in points] == [
        *(("static", 2, True), ("static", 3, False), ("static", 1, False)),
        *(("moe", 3, True), ("moe", 2, False), ("moe", 1, False)),
    ]
    assert [point.edges for point in points if point.best] == [(), ("optim_conf.lr",)]
    rates = [
        item.outcome.sets["dev"].counts.cer for item in finished if item.system == "moe (lr=3)"
    ]
    assert points[3].error_rate == pytest.approx(sum(rates) / 2)
    assert all(point.seeds == (0, 1) for point in points)


def test_what_is_not_finished_is_left_out(searched):
    grid, workplace = searched
    finished = [
        item
        for item in workplace.finished_runs()
        if item.system != "moe (lr=3)" and (item.system, item.seed) != ("static (lr=2)", 1)
    ]
    points = best_points(grid, finished)
    assert [point.values["optim_conf.lr"] for point in points if point.system == "moe"] == [2, 1]
    assert points[0].seeds == (0,)


def test_table(searched):
    grid, workplace = searched
    lines = choice_markdown(best_points(grid, workplace.finished_runs())).splitlines()
    (static,) = [line for line in lines if "static" in line and "**" in line]
    (moe,) = [line for line in lines if "moe" in line and "**" in line]
    assert "`optim_conf.lr: 2`" in static
    assert static.endswith("| - |")
    assert moe.endswith("| optim_conf.lr |")
    assert len([line for line in lines if line.startswith("| ")]) == 7
