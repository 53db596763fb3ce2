"""Charts with a point a system: error rates against costs, and of characters against units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechmoe_espnet.report.figure import SMALL, hint, new_figure, pixel_axes, styled
from speechmoe_espnet.report.labels import LETTER, Look, place_labels
from speechmoe_espnet.report.palette import FAINT, RULE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ALIGNMENTS = {"start": "left", "middle": "center", "end": "right"}


@dataclass(frozen=True)
class CostPoint:
    """A system in `rate_scatter`.

    Attributes:
        cost: Its place on the horizontal axis.
        rate: Mean error rate in percent.
        deviation: Standard deviation over seeds, None for one seed.
        hint: What a pointer on it shows.
    """

    cost: float
    rate: float
    deviation: float | None
    hint: str

    @property
    def bar(self) -> tuple[float, float]:
        """Ends of its bar."""
        half = self.deviation or 0.0
        return self.rate - half, self.rate + half


@styled
def rate_scatter(
    points: Mapping[str, CostPoint],
    styles: Mapping[str, Look],
    names: tuple[str, str],
    title: str,
    *,
    logarithmic: bool = False,
) -> "Figure":
    """Draw error rates against a cost, with bars of one deviation and the names of systems.

    Args:
        points: Points by system.
        styles: How systems look.
        names: Names of the horizontal and of the vertical axis.
        title: What stands above.
        logarithmic: Whether the cost, in millions, is drawn on a logarithmic axis.
    """
    left, top, width, height = 52.0, 44.0, 370.0, 290.0
    right = 24 + LETTER * max(map(len, points))
    figure = new_figure(left + width + right, top + height + 44, title)
    axes = pixel_axes(figure, left, top, width, height)
    for name, point in points.items():
        look = styles[name]
        axes.errorbar(
            [point.cost],
            [point.rate],
            yerr=None if point.deviation is None else [point.deviation],
            color=look.colour,
            elinewidth=1.5,
            capsize=4,
        )
        (marker,) = axes.plot(
            [point.cost], [point.rate], marker=look.marker, markersize=10, color=look.colour
        )
        hint(marker, point.hint)
    costs = [point.cost for point in points.values()]
    ends = [end for point in points.values() for end in point.bar]
    margin = 0.05 * (max(ends) - min(ends)) or 0.1 * max(ends) or 1.0
    axes.set_ylim(min(ends) - margin, max(ends) + margin)
    if logarithmic:
        from matplotlib.ticker import LogLocator, NullLocator

        axes.set_xscale("log")
        axes.set_xlim(min(costs) / 1.3, max(costs) * 1.3)
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter("{x:g} M")
    else:
        margin = 0.05 * (max(costs) - min(costs)) or 0.1 * max(costs) or 1.0
        axes.set_xlim(min(costs) - margin, max(costs) + margin)
    axes.set_title(f"{title}\n", pad=2)
    axes.text(0, 1.02, names[1], transform=axes.transAxes, color=FAINT)
    axes.set_xlabel(names[0])

    def place(x: float, y: float) -> tuple[float, float]:
        """Return pixels from the left and the top of the axes."""
        across, up = axes.transAxes.inverted().transform(axes.transData.transform((x, y)))
        return float(across) * width, (1 - float(up)) * height

    spots = {name: place(point.cost, point.rate) for name, point in points.items()}
    bars = []
    for name, point in points.items():
        high, low = (place(point.cost, end)[1] for end in point.bar[::-1])
        bars.append((spots[name][0] - 3, high, spots[name][0] + 3, low))
    labels = [(spot, name) for name, spot in spots.items()]
    placed = place_labels(labels, (0.0, -4.0, width + right - 8, height), bars)
    for (_, name), (x, y, alignment) in zip(labels, placed, strict=True):
        axes.text(
            x / width,
            1 - y / height,
            name,
            transform=axes.transAxes,
            ha=_ALIGNMENTS[alignment],
            color=styles[name].colour,
        )
    return figure


@styled
def syllable_scatter(
    points: Mapping[str, Sequence[tuple[str, float, float]]], colours: Mapping[str, str]
) -> "Figure":
    """Draw the character error rate over the error rate in units, a point a set and system.

    A thin line joins the points of a set, in the order of the systems; its name stands at the
    first one.

    Args:
        points: System, error rate in units and in characters, both in percent, by set.
        colours: Colour by system.
    """
    figure = new_figure(440, 340, "Character error rate over error rate in units")
    axes = pixel_axes(figure, 44, 28, 340, 264)
    everything = [point for items in points.values() for point in items]
    right = 1.05 * max((ser for _, ser, _ in everything), default=0.0) or 1.0
    top = 1.05 * max((cer for _, _, cer in everything), default=0.0) or 1.0
    axes.set_xlim(0.0, right)
    axes.set_ylim(0.0, top)
    end = min(right, top)
    axes.plot([0.0, end], [0.0, end], color=RULE, linewidth=2, dashes=(3, 2))
    axes.annotate("equal", (end, end), (4, -4), textcoords="offset pixels", color=FAINT)
    for set_name, items in points.items():
        axes.plot([x for _, x, _ in items], [y for *_, y in items], color=FAINT, linewidth=1)
        for name, ser, cer in items:
            (dot,) = axes.plot(
                [ser], [cer], "o", markersize=9, color=colours[name], clip_on=False, zorder=3
            )
            hint(dot, f"{set_name}, {name}: SER {ser:.2f} %, CER {cer:.2f} %")
        _, x, y = items[0]
        room = x / right * 340 > 8 * len(set_name) + 9
        axes.annotate(
            set_name,
            (x, y),
            (-9, 5) if room else (9, -12),
            textcoords="offset pixels",
            ha="right" if room else "left",
            fontsize=SMALL,
        )
    axes.set_title("CER in %, over SER in %")
    axes.set_xlabel("SER")
    return figure
