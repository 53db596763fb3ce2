"""Charts made of cells: the load of experts, and error rates over two weights."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from speechmoe_espnet.report.figure import SMALL, hint, new_figure, pixel_axes, styled
from speechmoe_espnet.report.palette import FAINT, HEAT, HEAT_INK, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GAP = 1.0
_FAINTEST = 0.04
_LIGHT_TEXT_FROM = 0.6
_CELL_WIDTH, _CELL_HEIGHT, _NARROW = 40.0, 22.0, 14.0
_MOST_LABELLED = 24


@styled
def load_map(
    title: str, layers: Sequence[Sequence[float]], confidence: Sequence[float]
) -> "Figure":
    """Draw the load of the experts, a row a layer.

    Args:
        title: What stands above.
        layers: Share of the frames by layer and expert.
        confidence: Mean probability of the chosen expert by layer.
    """
    num_experts, num_layers = max(len(load) for load in layers), len(layers)
    cell, row, left, top = max(26.0, min(42.0, 320.0 / num_experts)), 24.0, 26.0, 42.0
    width, height = cell * num_experts, row * num_layers
    figure = new_figure(
        left + width + 46, top + height + 6, f"{title}: share of frames by layer and expert"
    )
    axes = _cell_axes(figure, (left, top), (cell, row), (num_experts, num_layers))
    peak = max(max(load) for load in layers)
    for layer, (load, sureness) in enumerate(zip(layers, confidence, strict=True)):
        for expert, share in enumerate(load):
            words = f"{title}, layer {layer + 1}, expert {expert + 1}: {share:.1%}"
            _cell(axes, (expert, layer), (cell, row), share / peak, words, f"{100 * share:.0f}")
        axes.text(num_experts + 10 / cell, layer + 0.5, f"{sureness:.2f}", va="center_baseline")
    rows = range(num_layers)
    axes.set_yticks([layer + 0.5 for layer in rows], [str(layer + 1) for layer in rows])
    experts = range(num_experts)
    axes.set_xticks([expert + 0.5 for expert in experts], [str(expert + 1) for expert in experts])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.text(num_experts + 10 / cell, -6 / row, "conf.", color=FAINT)
    axes.text(0, -24 / row, title, weight="bold", fontsize=13)
    return figure


@styled
def rate_map(
    title: str,
    x_axis: tuple[str, Sequence[float]],
    y_axis: tuple[str, Sequence[float]],
    rates: Mapping[tuple[float, float], float],
    best: tuple[float, float],
) -> "Figure":
    """Draw error rates as cells, the lower the stronger; the best one has a frame.

    The colours span from the lowest rate to the 75th percentile, so that hopeless corners do
    not hide the differences that matter.

    Args:
        title: What stands above.
        x_axis: Name and values of the horizontal axis, ascending.
        y_axis: Name and values of the vertical axis, ascending upwards.
        rates: Error rate in percent by (x, y); points without one stay empty.
        best: The point to frame, one of `rates`.
    """
    (x_name, xs), (y_name, ys) = x_axis, y_axis
    labelled = len(xs) <= _MOST_LABELLED
    size = (_CELL_WIDTH if labelled else _NARROW, _CELL_HEIGHT)
    left, top = 60.0, 50.0
    width, height = size[0] * len(xs), size[1] * len(ys)
    label = f"{title}: error rate over {x_name} and {y_name}"
    figure = new_figure(max(left + width + 16, 420), top + height + 46, label)
    axes = _cell_axes(figure, (left, top), size, (len(xs), len(ys)))
    low = min(rates.values())
    span = max(float(np.percentile(list(rates.values()), 75)) - low, 1e-9)
    for row, y in enumerate(reversed(ys)):
        for column, x in enumerate(xs):
            if (x, y) in rates:
                words = f"{x_name} {x:g}, {y_name} {y:g}: {rates[x, y]:.2f} %"
                strength = 1 - min((rates[x, y] - low) / span, 1.0)
                text = f"{rates[x, y]:.1f}" if labelled else ""
                framed = (x, y) == best
                _cell(axes, (column, row), size, strength, words, text, framed=framed)
    every = 1 if labelled else -(-len(xs) // _MOST_LABELLED)
    shown = range(0, len(xs), every)
    axes.set_xticks([index + 0.5 for index in shown], [f"{xs[index]:g}" for index in shown])
    axes.set_yticks([row + 0.5 for row in range(len(ys))], [f"{y:g}" for y in reversed(ys)])
    axes.tick_params(length=0)
    axes.set_xlabel(x_name)
    axes.text(0, -12 / size[1], y_name, color=FAINT)
    axes.text(0, -32 / size[1], title, weight="bold", fontsize=13)
    return figure


def _cell_axes(
    figure: "Figure",
    corner: tuple[float, float],
    size: tuple[float, float],
    shape: tuple[int, int],
) -> "Axes":
    columns, rows = shape
    axes = pixel_axes(figure, *corner, size[0] * columns, size[1] * rows)
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    axes.spines[:].set_visible(False)
    axes.grid(visible=False)
    return axes


def _cell(
    axes: "Axes",
    place: tuple[int, int],
    size: tuple[float, float],
    strength: float,
    words: str,
    text: str,
    *,
    framed: bool = False,
) -> None:
    """Draw a cell; a trace of its colour is always seen."""
    from matplotlib.patches import Rectangle

    (column, row), (width, height) = place, size
    cell = Rectangle(
        (column + _GAP / width, row + _GAP / height),
        1 - 2 * _GAP / width,
        1 - 2 * _GAP / height,
        facecolor=(HEAT, max(_FAINTEST, strength)),
        edgecolor=INK if framed else "none",
        linewidth=2 if framed else 0,
    )
    hint(cell, words)
    axes.add_patch(cell)
    if text:
        axes.text(
            column + 0.5,
            row + 0.5,
            text,
            ha="center",
            va="center_baseline",
            fontsize=SMALL,
            color=HEAT_INK if strength > _LIGHT_TEXT_FROM else INK,
        )
