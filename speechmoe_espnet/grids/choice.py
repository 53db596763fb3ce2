"""Choice of the best settings on dev, made in the same way for every system."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from speechmoe_espnet.grids.finished import FinishedRun
from speechmoe_espnet.grids.grid import Grid, Run, Settings
from speechmoe_espnet.grids.markdown import table
from speechmoe_espnet.recipe.recipe_options import DEV


@dataclass(frozen=True)
class Point:
    """One point of a system's axes.

    Attributes:
        system: Name of the system.
        values: Values on its axes by dotted key.
        seeds: Seeds that are finished.
        error_rate: Error rate on dev in percent, mean over the seeds.
        best: Whether it is the best finished point of its system.
        edges: Axes of more than one value of which this is the first or the last: the best
            value may lie beyond.
    """

    system: str
    values: Settings
    seeds: tuple[int, ...]
    error_rate: float
    best: bool
    edges: tuple[str, ...]


def best_points(grid: Grid, finished: Sequence[FinishedRun]) -> list[Point]:
    """Compare the points of each system on dev.

    Args:
        grid: A grid with axes, so that dev is the only set.
        finished: Its finished runs.

    Returns:
        The points with a finished run, by system as in the grid, best first.
    """
    by_key = {(item.system, item.seed): item for item in finished}
    points: dict[str, list[Point]] = {name: [] for name in grid.systems}
    groups: dict[str, list[Run]] = {}
    for run in grid.runs():
        if (run.label, run.seed) in by_key:
            groups.setdefault(run.label, []).append(run)
    for label, runs in groups.items():
        rates = [by_key[label, run.seed].outcome.sets[DEV].counts.cer for run in runs]
        axes = {**grid.axes, **grid.systems[runs[0].system].axes}
        edges = tuple(
            key
            for key, values in axes.items()
            if len(values) > 1 and runs[0].point[key] in (values[0], values[-1])
        )
        points[runs[0].system].append(
            Point(
                runs[0].system,
                runs[0].point,
                tuple(run.seed for run in runs),
                sum(rates) / len(rates),
                best=False,
                edges=edges,
            )
        )
    result = []
    for found in points.values():
        for index, point in enumerate(sorted(found, key=lambda item: item.error_rate)):
            result.append(replace(point, best=index == 0))
    return result


def choice_markdown(points: Sequence[Point]) -> str:
    """Write the points as a Markdown table, the best of each system in bold.

    Args:
        points: What `best_points` returns.
    """
    rows = []
    for point in points:
        rate = f"{point.error_rate:.2f}"
        values = ", ".join(f"`{key}: {value}`" for key, value in point.values.items())
        edges = ", ".join(point.edges) if point.best else ""
        seeds = ", ".join(map(str, point.seeds))
        rows.append(
            [point.system, values, f"**{rate}**" if point.best else rate, seeds, edges or "-"]
        )
    head = ["system", "settings", "error rate on dev, %", "seeds", "best at the edge of"]
    return "Search on dev, the same for every system:\n\n" + table(head, rows, left=2)
