"""A picture of error rates over a grid of two weights, a file of its own."""

from collections.abc import Mapping, Sequence

import numpy as np

from speechmoe_espnet.report.svg import FAINT, INK, heat_cell, picture, standalone, text

_CELL_WIDTH, _CELL_HEIGHT = 40, 22
_NARROW = 14
_MOST_LABELLED = 24


def rate_map(
    title: str,
    x_axis: tuple[str, Sequence[float]],
    y_axis: tuple[str, Sequence[float]],
    rates: Mapping[tuple[float, float], float],
    best: tuple[float, float],
) -> str:
    """Draw error rates as cells, the lower the stronger; the best one has a frame.

    The colours span from the lowest rate to the 75th percentile, so that hopeless corners do
    not hide the differences that matter.

    Args:
        title: What stands above.
        x_axis: Name and values of the horizontal axis, ascending.
        y_axis: Name and values of the vertical axis, ascending upwards.
        rates: Error rate in percent by (x, y); points without one stay empty.
        best: The point to frame, one of `rates`.

    Returns:
        A whole SVG file.
    """
    (x_name, xs), (y_name, ys) = x_axis, y_axis
    labelled = len(xs) <= _MOST_LABELLED
    cell = _CELL_WIDTH if labelled else _NARROW
    left, top = 64, 50
    width = max(left + cell * len(xs) + 16, 420)
    bottom = top + _CELL_HEIGHT * len(ys)
    low = min(rates.values())
    span = max(float(np.percentile(list(rates.values()), 75)) - low, 1e-9)
    parts = [text(left, 18, title, font_weight=600), text(left, 38, y_name, fill=FAINT)]
    for row, y in enumerate(reversed(ys)):
        place = top + _CELL_HEIGHT * row
        parts.append(text(left - 8, place + 16, f"{y:g}", text_anchor="end", fill=FAINT))
        for column, x in enumerate(xs):
            if (x, y) in rates:
                hint = f"{x_name} {x:g}, {y_name} {y:g}: {rates[x, y]:.2f} %"
                strength = 1 - min((rates[x, y] - low) / span, 1.0)
                label = f"{rates[x, y]:.1f}" if labelled else ""
                frame = {"stroke": INK, "stroke_width": 2} if (x, y) == best else {}
                corner = (left + cell * column, place)
                parts += heat_cell(corner, (cell, _CELL_HEIGHT), strength, hint, label, **frame)
    every = 1 if labelled else -(-len(xs) // _MOST_LABELLED)
    for column in range(0, len(xs), every):
        x_place = left + cell * (column + 0.5)
        parts.append(
            text(x_place, bottom + 16, f"{xs[column]:g}", text_anchor="middle", fill=FAINT)
        )
    middle = left + cell * len(xs) / 2
    parts.append(text(middle, bottom + 36, x_name, text_anchor="middle", fill=FAINT))
    label = f"{title}: error rate over {x_name} and {y_name}"
    return standalone(picture(width, bottom + 46, parts, label))
