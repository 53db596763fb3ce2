"""Pictures of a grid's systems, for the page and, through `scoring.svg.standalone`, as files."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from speechmoe_espnet.experiments.chart import (
    Frame,
    Look,
    Point,
    log_ticks,
    looks,
    marker,
    place_labels,
    spread,
)
from speechmoe_espnet.experiments.finished import FinishedRun
from speechmoe_espnet.experiments.seeds import SeedInterval
from speechmoe_espnet.experiments.summary import Rate, Summary, SystemSummary
from speechmoe_espnet.scoring.plots import VERDICT_COLOURS
from speechmoe_espnet.scoring.svg import FAINT, INK, RULE, Scale, element, line, picture, text

_SHOWN_FROM = 0.4
_LETTER, _LABEL_GAP = 8.4, 15.0
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
    curves = {
        name: [curve for run in system.runs if (curve := run.curve("valid", "loss_ctc"))]
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
    parts = frame.axes(
        ("optimiser steps", "mean over seeds; faint: single seeds"), title="CTC loss on dev"
    )
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
    width = right + 24 + _LETTER * max(map(len, shown))
    return picture(width, bottom + 46, parts, "CTC loss on dev against steps, by system")


def rate_against_flops(summary: Summary, place: str | None = None) -> str:
    """Draw error rates against FLOPs a second of audio; bars are one deviation over seeds.

    Args:
        summary: The systems.
        place: A set, or `total`; None: the headline.
    """
    costs = {name: system.flops / 1e6 for name, system in summary.systems.items()}
    place = place or summary.headline
    x = Scale.around(costs.values(), 56, 560)
    return _rate_scatter(summary, place, costs, x, "MFLOPs a second of audio")


def rate_against_parameters(summary: Summary, place: str | None = None) -> str:
    """Draw error rates against all parameters on a logarithmic axis, otherwise as above.

    Args:
        summary: The systems.
        place: A set, or `total`; None: the headline.
    """
    sizes = {name: system.params_total / 1e6 for name, system in summary.systems.items()}
    low, high = min(sizes.values()) / 1.3, max(sizes.values()) * 1.3
    ticks = {math.log10(tick): f"{tick:g} M" for tick in log_ticks(low, high)}
    x = Scale(math.log10(low), math.log10(high), 56, 560)
    logs = {name: math.log10(size) for name, size in sizes.items()}
    place = place or summary.headline
    return _rate_scatter(summary, place, logs, x, "all parameters", ticks)


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


def change_picture(summary: Summary) -> str | None:
    """Draw the relative change of each system from the control, by set, with 95 % intervals.

    Args:
        summary: The systems.

    Returns:
        SVG, or None where no system is compared.
    """
    compared = summary.compared
    if not compared:
        return None
    left = 28 + _LETTER * max(len(system.name) for system in compared)
    right, row, gap, top = left + 440, 22, 40, 26
    changes = [change for system in compared for change in system.changes.values()]
    scale = Scale(*_ends(changes), left, right)
    bottom = top + len(summary.places) * (gap + row * len(compared))
    parts = [
        text(scale(0) - 10, 14, f"← {summary.control} better", text_anchor="end", fill=FAINT),
        text(scale(0) + 10, 14, "fewer errors →", fill=FAINT),
    ]
    for tick in scale.ticks(6):
        x = scale(tick)
        parts.append(line(x, top, x, bottom + 6, stroke=INK if tick == 0 else RULE))
        words = f"{tick:+g} %" if tick else "0"
        parts.append(text(x, bottom + 22, words, text_anchor="middle", fill=FAINT))
    y = float(top)
    for place in sorted(summary.places, key=lambda place: place != summary.headline):
        parts.append(text(4, y + 20, place, font_weight=700))
        y += gap
        for system in compared:
            parts.append(text(left - 10, y + 4, system.name, text_anchor="end"))
            parts += _change_row(system.changes[place], scale, y)
            y += row
    return picture(right + 190, bottom + 30, parts, "Relative changes with 95 % intervals")


def _change_row(change: SeedInterval, scale: Scale, y: float) -> list[str]:
    interval = change.interval
    mean, low, high = (100 * value for value in (interval.mean, interval.low, interval.high))
    colour = VERDICT_COLOURS[interval.verdict]
    inside = [min(max(value, scale.low), scale.high) for value in (low, high)]
    parts = [line(scale(inside[0]), y, scale(inside[1]), y, stroke=colour, stroke_width=3)]
    for value, end, sign in ((low, inside[0], -1), (high, inside[1], 1)):
        if value != end:
            x = scale(end)
            tip = f"{x + 7 * sign:.1f},{y:.1f} {x:.1f},{y - 5:.1f} {x:.1f},{y + 5:.1f}"
            parts.append(element("polygon", points=tip, fill=colour))
    parts.append(element("circle", cx=scale(mean), cy=y, r=5, fill=colour))
    words = f"{mean:+.1f} %  [{low:+.1f}, {high:+.1f}]" + ("" if change.covers_seeds else " *")
    return [*parts, text(scale.stop + 16, y + 4, words)]


def _ends(changes: Sequence[SeedInterval]) -> tuple[float, float]:
    """Return the ends of the axis in percent; intervals of few seeds may go beyond them."""
    means = [100 * item.interval.mean for item in changes]
    most = max(15.0, 2.5 * max(map(abs, means)))
    low = max(-most, min(100 * item.interval.low for item in changes))
    high = min(most, max(100 * item.interval.high for item in changes))
    margin = 0.2 * max(-low, high, 1.0)
    return min(low, *means, 0.0) - margin, max(high, *means, 0.0) + margin


def _rate_scatter(
    summary: Summary,
    place: str,
    values: Mapping[str, float],
    x: Scale,
    x_name: str,
    x_ticks: Mapping[float, str] | None = None,
) -> str:
    rates = {name: _rate(system, place) for name, system in summary.systems.items()}
    ends = [end for rate in rates.values() for end in _bar(rate)]
    top, bottom = 56, 380
    frame = Frame(x, Scale.around(ends, bottom, top))
    name = f"{place}, in %, mean over seeds; bars: one standard deviation"
    title = f"{summary.metric.upper()} against {x_name}"
    parts = frame.axes((x_name, name), title=title, x_ticks=x_ticks)
    styles = looks(list(rates), summary.control)
    spots = {system: (frame.x(values[system]), frame.y(rates[system].mean)) for system in rates}
    obstacles = []
    for system, (spot_x, spot_y) in spots.items():
        low, high = (frame.y(end) for end in _bar(rates[system]))
        obstacles.append((spot_x - 3, high, spot_x + 3, low))
        colour = styles[system].colour
        parts.append(line(spot_x, low, spot_x, high, stroke=colour, stroke_width=1.5))
        for end in (low, high) if rates[system].deviation is not None else ():
            parts.append(line(spot_x - 4, end, spot_x + 4, end, stroke=colour, stroke_width=1.5))
        hint = f"{system}: {rates[system].mean:.2f} %, {len(rates[system].by_seed)} seeds"
        parts.append(marker((spot_x, spot_y), styles[system], hint))
    labels = [(spot, system) for system, spot in spots.items()]
    within = (x.start, top - 4, x.stop + 120, bottom)
    for (_, system), (label_x, label_y, anchor) in zip(
        labels, place_labels(labels, within, obstacles), strict=True
    ):
        parts.append(text(label_x, label_y, system, text_anchor=anchor, fill=styles[system].colour))
    return picture(x.stop + 128, bottom + 46, parts, title)


def _rate(system: SystemSummary, place: str) -> Rate:
    if place not in system.rates:
        raise ValueError(f"place must be one of {', '.join(system.rates)}, got {place!r}")
    return system.rates[place]


def _bar(rate: Rate) -> tuple[float, float]:
    return rate.mean - (rate.deviation or 0.0), rate.mean + (rate.deviation or 0.0)


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
        step = 52 + _LETTER * len(name)
        if x + step > width and x > 48:
            x, y = 48.0, y + 20
        parts.append(line(x, y - 4, x + 24, y - 4, stroke_width=2.5, **look.stroke))
        parts.append(text(x + 30, y, name))
        x += step
    return parts, y
