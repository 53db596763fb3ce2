"""Pictures of what a grid's systems came to: rates against costs, and relative changes.

They are for the page and, through `scoring.svg.standalone`, files.
"""

import math
from collections.abc import Mapping, Sequence

from speechmoe_espnet.grids.summary import Rate, Summary, SystemSummary
from speechmoe_espnet.report.chart import (
    LETTER,
    Frame,
    log_ticks,
    looks,
    marker,
    place_labels,
)
from speechmoe_espnet.report.plots import VERDICT_COLOURS
from speechmoe_espnet.report.svg import FAINT, INK, RULE, Scale, element, line, picture, text
from speechmoe_espnet.scoring.seeds import SeedInterval


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
    left = 28 + LETTER * max(len(system.name) for system in compared)
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
