"""Pictures of a grid's systems while they train: loss, error rate and routers on dev."""

from collections.abc import Mapping, Sequence

import numpy as np

from speechmoe_espnet.grids.finished import FinishedRun
from speechmoe_espnet.grids.summary import Summary
from speechmoe_espnet.report.chart import LETTER, Frame, Look, Point, looks, spread
from speechmoe_espnet.report.svg import Scale, line, picture, text

_SHOWN_FROM = 0.4
_LABEL_GAP = 15.0
_ROUTER_PANELS = {
    "expert_load_entropy": "entropy of the load over log E",
    "router_confidence": "router confidence",
    "expert_load_max": "largest expert's share",
    "expert_load_min": "smallest expert's share",
}


def loss_picture(summary: Summary) -> str | None:
    """Draw the CTC loss on dev against steps: means over seeds, faint lines of single seeds.

    The vertical axis holds what lies behind the first 40 % of the steps; lines enter from above.

    Args:
        summary: The systems.

    Returns:
        SVG, or None where no system recorded that loss.
    """
    return _dev_picture(summary, "loss_ctc", "CTC loss on dev")


def rate_picture(summary: Summary) -> str | None:
    """Draw the CER of greedy search on dev against steps, otherwise as the loss.

    It is what training records of each epoch's own parameters (`cer_ctc`), in percent; units
    count as characters.

    Args:
        summary: The systems.

    Returns:
        SVG, or None where no system recorded that rate.
    """
    return _dev_picture(summary, "cer_ctc", "Greedy error rate on dev, %", 100.0)


def _dev_picture(summary: Summary, quantity: str, title: str, unit: float = 1.0) -> str | None:
    """Draw a quantity of dev against steps, multiplied by `unit`."""
    curves = {
        name: [
            {step: unit * value for step, value in curve.items()}
            for curve in _recorded(system.runs, quantity)
        ]
        for name, system in summary.systems.items()
    }
    shown = {name: found for name, found in curves.items() if found}
    if not shown:
        return None
    last = max(max(curve) for found in shown.values() for curve in found)
    later = [
        value
        for found in shown.values()
        for curve in found
        for step, value in curve.items()
        if step >= _SHOWN_FROM * last or step == max(curve)
    ]
    left, top, right, bottom = 56, 56, 620, 380
    frame = Frame(Scale(0.0, float(last), left, right), Scale.around(later, bottom, top))
    parts = frame.axes(("optimiser steps", "mean over seeds; faint: single seeds"), title=title)
    styles = looks(list(summary.systems), summary.control)
    ends: dict[str, Point] = {}
    for name, found in shown.items():
        stroke = styles[name].stroke
        for curve in found if len(found) > 1 else ():
            points = list(curve.items())
            parts.append(frame.path(points, f"{name}, one seed", opacity=0.3, **stroke))
        mean = _mean_curve(found)
        hint = f"{name}, mean of {len(found)} seeds: {mean[-1][1]:.4g} at the end"
        parts.append(frame.path(mean, hint, stroke_width=2.5, **stroke))
        x, y = mean[-1]
        ends[name] = (frame.x(x), min(max(frame.y(y), top), bottom))
    parts += _end_labels(ends, styles, frame)
    width = right + 24 + LETTER * max(map(len, shown))
    return picture(width, bottom + 46, parts, f"{title}, against steps, by system")


def router_picture(summary: Summary) -> str | None:
    """Draw the load of the experts and the routers' confidence on dev against steps.

    Means over layers and seeds, a panel a quantity.

    Args:
        summary: The systems.

    Returns:
        SVG, or None where no system has routers.
    """
    panels = {
        quantity: {
            name: _mean_curve(found)
            for name, system in summary.systems.items()
            if (found := _recorded(system.runs, quantity))
        }
        for quantity in _ROUTER_PANELS
    }
    panels = {quantity: means for quantity, means in panels.items() if means}
    if not panels:
        return None
    styles = looks(list(summary.systems), summary.control)
    width, height, columns = 310, 180, 2
    full = columns * (width + 58)
    routed = dict.fromkeys(name for means in panels.values() for name in means)
    parts, legend_height = _legend({name: styles[name] for name in routed}, full)
    for index, (quantity, means) in enumerate(panels.items()):
        left = 48 + index % columns * (width + 58)
        top = legend_height + 34 + index // columns * (height + 86)
        last = max(points[-1][0] for points in means.values())
        values = [value for points in means.values() for _, value in points]
        frame = Frame(Scale(0.0, last, left, left + width), Scale.around(values, top + height, top))
        parts += frame.axes(("optimiser steps", _ROUTER_PANELS[quantity]))
        for name, points in means.items():
            hint = f"{name}, {_ROUTER_PANELS[quantity]}: {points[-1][1]:.3f} at the end"
            parts.append(frame.path(points, hint, stroke_width=2, **styles[name].stroke))
    rows = -(-len(panels) // columns)
    bottom = legend_height + rows * (height + 86)
    return picture(full + 18, bottom, parts, "Load of the experts and router confidence")


def _recorded(runs: Sequence[FinishedRun], quantity: str) -> list[dict[int, float]]:
    return [curve for run in runs if (curve := run.curve("valid", quantity))]


def _mean_curve(found: Sequence[Mapping[int, float]]) -> list[Point]:
    """Average curves at the steps that all of them have; one curve where they share none."""
    steps = sorted(set.intersection(*(set(curve) for curve in found))) or sorted(found[0])
    shared = [curve for curve in found if all(step in curve for step in steps)]
    return [(float(step), float(np.mean([curve[step] for curve in shared]))) for step in steps]


def _end_labels(ends: Mapping[str, Point], styles: Mapping[str, Look], frame: Frame) -> list[str]:
    _, top, right, bottom = frame.box
    places = spread([y for _, y in ends.values()], _LABEL_GAP, top, bottom)
    parts = []
    for (name, (x, y)), place in zip(ends.items(), places, strict=True):
        colour = styles[name].colour
        parts.append(line(x, y, right + 14, place, stroke=colour, opacity=0.5))
        parts.append(text(right + 18, place + 4, name, fill=colour))
    return parts


def _legend(styles: Mapping[str, Look], width: float) -> tuple[list[str], float]:
    """Write the names of systems beside their lines, in as many rows as they need.

    Returns:
        Elements, and the height that they take.
    """
    x, y = 48.0, 18.0
    parts = []
    for name, look in styles.items():
        step = 52 + LETTER * len(name)
        if x + step > width and x > 48:
            x, y = 48.0, y + 20
        parts.append(line(x, y - 4, x + 24, y - 4, stroke_width=2.5, **look.stroke))
        parts.append(text(x + 30, y, name))
        x += step
    return parts, y
