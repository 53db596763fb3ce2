"""Charts with a row a set or a system: intervals, kinds of errors, speakers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechmoe_espnet.report.figure import hint, hints, new_figure, styled
from speechmoe_espnet.report.palette import ERROR_KINDS, INK, VERDICTS
from speechmoe_espnet.scoring.bootstrap import Interval
from speechmoe_espnet.scoring.cer import Counts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 420.0
_ROW, _GROUP, _MARGIN = 20.0, 24.0, 46.0


@dataclass(frozen=True)
class Change:
    """A relative change in a row of `forest_plot`.

    Attributes:
        interval: The change with its interval, as shares; positive is better.
        mark: What stands behind its figures.
        bold: Whether its words are bold.
    """

    interval: Interval
    mark: str = ""
    bold: bool = False


@styled
def forest_plot(
    groups: Mapping[str, Mapping[str, Change]],
    sides: tuple[str, str],
    ends: tuple[float, float] | None = None,
) -> "Figure":
    """Draw relative changes with their 95 % intervals; an arrow marks one that goes on.

    Args:
        groups: Changes by name of a group (empty: no heading) and by name of a row.
        sides: What a change below and above zero means.
        ends: Ends of the axis in percent; None: all intervals fit.
    """
    figure, axes, places = _rows(groups, "Relative changes with 95 % intervals")
    changes = [change.interval for rows in groups.values() for change in rows.values()]
    if ends is None:
        reach = 108 * max(0.01, *(max(abs(item.low), abs(item.high)) for item in changes))
        ends = (-reach, reach)
    axes.set_xlim(*ends)
    for ((group, name), y), label in zip(places.items(), axes.get_yticklabels(), strict=True):
        _change_row(axes, groups[group][name], y, ends)
        if groups[group][name].bold:
            label.set_fontweight("bold")
    axes.axvline(0.0, color=INK, linewidth=1, zorder=1)
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:+g} %" if value else "0")
    gap = "\n" if sum(map(len, sides)) > 40 else "  |  "
    axes.set_xlabel(f"← {sides[0]}{gap}{sides[1]} →")
    return figure


def _change_row(axes: "Axes", change: Change, y: float, ends: tuple[float, float]) -> None:
    interval = change.interval
    mean, low, high = (100 * value for value in (interval.mean, interval.low, interval.high))
    colour = VERDICTS[interval.verdict]
    inside = [min(max(value, ends[0]), ends[1]) for value in (low, high)]
    axes.plot(inside, [y, y], color=colour, linewidth=3, solid_capstyle="butt")
    for value, end, marker in ((low, inside[0], "<"), (high, inside[1], ">")):
        if value != end:
            axes.plot([end], [y], marker=marker, color=colour, markersize=8, clip_on=False)
    words = f"{mean:+.1f} %  [{low:+.1f}, {high:+.1f}]{change.mark}"
    (point,) = axes.plot([mean], [y], marker="o", color=colour, markersize=9)
    hint(point, words)
    weight = "bold" if change.bold else "normal"
    right = axes.get_yaxis_transform()
    axes.text(1.03, y, words, transform=right, va="center_baseline", weight=weight)


@styled
def error_bars(counts: Mapping[str, Mapping[str, Counts]]) -> "Figure":
    """Draw substitutions, deletions and insertions as stacked bars in percent.

    Args:
        counts: Counts by set and, within, by system.
    """
    label = "Substitutions, deletions and insertions by set and system"
    figure, axes, places = _rows(counts, label)
    longest = max(item.cer for systems in counts.values() for item in systems.values())
    axes.set_xlim(0.0, 1.12 * max(longest, 1e-6))
    for (set_name, name), y in places.items():
        item = counts[set_name][name]
        left = 0.0
        for (kind, colour), count in zip(
            ERROR_KINDS.items(), (item.sub, item.del_, item.ins), strict=True
        ):
            share = 100.0 * count / item.num_chars
            (bar,) = axes.barh(y, share, left=left, height=0.75, color=colour)
            hint(bar, f"{set_name}, {name}, {kind}: {count} ({share:.2f} %)")
            left += share
        axes.annotate(
            f"{item.cer:.1f}", (left, y), (5, 0), textcoords="offset pixels", va="center_baseline"
        )
    axes.xaxis.set_major_formatter("{x:g} %")
    return figure


@styled
def strip_plot(
    rates: Mapping[str, Mapping[str, Mapping[str, float]]], colours: Mapping[str, str]
) -> "Figure":
    """Draw the error rate of each speaker as a dot.

    Args:
        rates: Error rate in percent by set, system and speaker.
        colours: Colour by system.
    """
    figure, axes, places = _rows(rates, "Error rate of each speaker by set and system")
    values = [
        value for sets in rates.values() for items in sets.values() for value in items.values()
    ]
    axes.set_xlim(0.0, 1.06 * max(*values, 1e-6))
    for (set_name, name), y in places.items():
        speakers = rates[set_name][name]
        (dots,) = axes.plot(
            list(speakers.values()),
            [y] * len(speakers),
            linestyle="none",
            marker="o",
            markersize=8,
            markeredgewidth=0,
            color=colours[name],
            alpha=0.65,
            clip_on=False,
        )
        hints(dots, [f"{set_name}, {name}, {spk}: {rate:.2f} %" for spk, rate in speakers.items()])
    axes.xaxis.set_major_formatter("{x:g} %")
    return figure


def _rows(
    groups: Mapping[str, Mapping[str, object]], label: str
) -> tuple["Figure", "Axes", dict[tuple[str, str], float]]:
    """Make axes with a row each, below the headings of their groups.

    Returns:
        The figure, its axes, and the place of each row by group and name.
    """
    from matplotlib.transforms import blended_transform_factory

    places: dict[tuple[str, str], float] = {}
    headings: dict[str, float] = {}
    y = 0.0
    for group, rows in groups.items():
        if group:
            headings[group] = y + 0.5 * _GROUP / _ROW
            y += _GROUP / _ROW
        for name in rows:
            places[group, name] = y + 0.5
            y += 1.0
    figure = new_figure(WIDTH, _ROW * y + _MARGIN, label, layout=True)
    axes = figure.subplots()
    axes.set_ylim(y, 0.0)
    axes.set_yticks(list(places.values()), [name for _, name in places])
    axes.tick_params(axis="y", labelcolor=INK)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    left = blended_transform_factory(figure.transFigure, axes.transData)
    for group, place in headings.items():
        heading = axes.text(0.006, place, group, transform=left, weight="bold", va="center")
        heading.set_in_layout(False)
    return figure, axes, places
