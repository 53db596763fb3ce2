"""Charts of training: quantities against steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from speechmoe_espnet.report.figure import hint, hints, new_figure, pixel_axes, styled
from speechmoe_espnet.report.labels import LETTER, Look, Point, spread
from speechmoe_espnet.report.palette import FAINT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_LABEL_GAP = 15.0
_PANELS_A_ROW = 2


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    Attributes:
        name: What the tooltips call it.
        colour: A colour of the palette.
        xs: Places on the horizontal axis.
        ys: Values, None where there is none.
        dashed: Whether the line is dashed.
    """

    name: str
    colour: str
    xs: Sequence[float]
    ys: Sequence[float | None]
    dashed: bool = False


@styled
def line_chart(title: str, series: Sequence[Series], x_label: str) -> "Figure":
    """Draw lines over a common axis; missing values break them.

    Args:
        title: What stands above.
        series: The lines; at least one has a value.
        x_label: Name of the horizontal axis.
    """
    figure = new_figure(330, 220, f"{title}: lines of {len(series)} series")
    axes = pixel_axes(figure, 46, 28, 276, 150)
    for item in series:
        style = (0, (4.0, 3.0)) if item.dashed else "-"
        values = [np.nan if y is None else y for y in item.ys]
        axes.plot(item.xs, values, color=item.colour, linewidth=2, linestyle=style)
        known = [(x, y) for x, y in zip(item.xs, item.ys, strict=True) if y is not None]
        (dots,) = axes.plot(
            [x for x, _ in known],
            [y for _, y in known],
            linestyle="none",
            marker="o",
            markersize=5,
            markeredgewidth=0,
            color=item.colour,
        )
        hints(dots, [f"{item.name}, {x_label} {x:g}: {y:.4g}" for x, y in known])
    axes.set_xlim(left=0.0)
    axes.set_title(title)
    axes.set_xlabel(x_label)
    axes.locator_params(nbins=5)
    return figure


@dataclass(frozen=True)
class Curves:
    """What the runs of one system recorded of one quantity.

    Attributes:
        look: How its lines look.
        runs: Points of each run.
        mean: Points of the mean over runs.
    """

    look: Look
    runs: Sequence[Sequence[Point]]
    mean: Sequence[Point]


@styled
def mean_curves(title: str, curves: Mapping[str, Curves], shown_from: float) -> "Figure":
    """Draw means over seeds as lines, single seeds faint, and names at the ends.

    Args:
        title: What stands above.
        curves: Lines by system, at least one.
        shown_from: Share of the steps behind which all values lie within the vertical axis;
            lines enter from above.
    """
    left, top, width, height = 52.0, 44.0, 370.0, 290.0
    label_width = 26 + LETTER * max(map(len, curves))
    figure = new_figure(
        left + width + label_width, top + height + 44, f"{title}, against steps, by system"
    )
    axes = pixel_axes(figure, left, top, width, height)
    for name, item in curves.items():
        for points in item.runs if len(item.runs) > 1 else ():
            _line(axes, points, item.look, f"{name}, one seed", linewidth=1, alpha=0.3)
        end = item.mean[-1][1]
        words = f"{name}, mean of {len(item.runs)} seeds: {end:.4g} at the end"
        _line(axes, item.mean, item.look, words, linewidth=2.5)
    last = max(points[-1][0] for item in curves.values() for points in item.runs)
    later = [
        value
        for item in curves.values()
        for points in item.runs
        for step, value in points
        if step >= shown_from * last or step == points[-1][0]
    ]
    low, high = min(later), max(later)
    margin = 0.05 * (high - low) or 0.1 * abs(high) or 1.0
    axes.set_xlim(0.0, last)
    axes.set_ylim(low - margin, high + margin)
    axes.set_title(f"{title}\n", pad=2)
    axes.text(
        0, 1.02, "mean over seeds; faint: single seeds", transform=axes.transAxes, color=FAINT
    )
    axes.set_xlabel("optimiser steps")
    _name_ends(axes, curves, (width, height))
    return figure


@styled
def curve_panels(
    panels: Mapping[str, Mapping[str, Sequence[Point]]], styles: Mapping[str, Look], label: str
) -> "Figure":
    """Draw a panel a quantity, with one legend.

    Args:
        panels: Points by quantity and system.
        styles: How systems look.
        label: What the figure shows.
    """
    names = list(dict.fromkeys(name for means in panels.values() for name in means))
    width, height, full = 240.0, 150.0, 608.0
    columns = max(1, int((full - 40) / (46 + LETTER * max(map(len, names)))))
    legend = 12 + 20.0 * -(-len(names) // columns)
    rows = -(-len(panels) // _PANELS_A_ROW)
    figure = new_figure(full, legend + rows * (height + 80), label)
    drawn = {}
    for index, (title, means) in enumerate(panels.items()):
        left = 44 + index % _PANELS_A_ROW * (width + 56)
        top = legend + 30 + index // _PANELS_A_ROW * (height + 80)
        axes = pixel_axes(figure, left, top, width, height)
        for name, points in means.items():
            words = f"{name}, {title}: {points[-1][1]:.3f} at the end"
            drawn[name] = _line(axes, points, styles[name], words, linewidth=2)
        axes.set_xlim(0.0, max(points[-1][0] for points in means.values()))
        axes.set_title(title)
        axes.set_xlabel("optimiser steps")
        axes.locator_params(nbins=5)
    figure.legend(
        [drawn[name] for name in names],
        names,
        loc="upper left",
        bbox_to_anchor=(0.05, 1.0),
        ncols=columns,
        frameon=False,
        handlelength=2.4,
    )
    return figure


def _line(axes: "Axes", points: Sequence[Point], look: Look, words: str, **style: Any) -> "Line2D":
    (line,) = axes.plot([x for x, _ in points], [y for _, y in points], **look.line, **style)
    hint(line, words)
    return line


def _name_ends(axes: "Axes", curves: Mapping[str, Curves], size: tuple[float, float]) -> None:
    """Write the names of systems to the right of the ends of their lines."""
    width, height = size
    low, high = axes.get_ylim()
    right = axes.get_xlim()[1]
    heights = [
        min(max((item.mean[-1][1] - low) / (high - low) * height, 0.0), height)
        for item in curves.values()
    ]
    places = spread(heights, _LABEL_GAP, 0.0, height)
    for (name, item), start, place in zip(curves.items(), heights, places, strict=True):
        colour = item.look.colour
        end = item.mean[-1][0] / right
        axes.plot(
            [end, 1 + 14 / width],
            [start / height, place / height],
            transform=axes.transAxes,
            color=colour,
            alpha=0.5,
            linewidth=1,
            clip_on=False,
        )
        axes.text(
            1 + 18 / width,
            place / height,
            name,
            transform=axes.transAxes,
            color=colour,
            va="center_baseline",
        )
