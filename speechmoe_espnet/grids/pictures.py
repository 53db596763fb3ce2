"""Charts of what a grid's systems came to: rates against costs, and relative changes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from speechmoe_espnet.grids.summary import Rate, Summary, SystemSummary
from speechmoe_espnet.report.charts import Change, forest_plot
from speechmoe_espnet.report.labels import looks
from speechmoe_espnet.report.scatter import CostPoint, rate_scatter
from speechmoe_espnet.scoring.seeds import SeedInterval

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def rate_against_flops(summary: Summary, place: str | None = None) -> "Figure":
    """Draw error rates against FLOPs a second of audio; bars are one deviation over seeds.

    Args:
        summary: The systems.
        place: A set, or `total`; None: the headline.

    Raises:
        ValueError: There is no such set.
    """
    costs = {name: system.flops / 1e6 for name, system in summary.systems.items()}
    return _rate_scatter(summary, place, costs, "MFLOPs a second of audio")


def rate_against_parameters(summary: Summary, place: str | None = None) -> "Figure":
    """Draw error rates against all parameters on a logarithmic axis, otherwise as above.

    Args:
        summary: The systems.
        place: A set, or `total`; None: the headline.

    Raises:
        ValueError: There is no such set.
    """
    sizes = {name: system.params_total / 1e6 for name, system in summary.systems.items()}
    return _rate_scatter(summary, place, sizes, "all parameters", logarithmic=True)


def change_picture(summary: Summary) -> "Figure | None":
    """Draw the relative change of each system from the control, by set, with 95 % intervals.

    Args:
        summary: The systems.

    Returns:
        The chart, or None where no system is compared.
    """
    compared = summary.compared
    if not compared:
        return None
    places = sorted(summary.places, key=lambda place: place != summary.headline)
    groups = {
        place: {
            system.name: Change(change.interval, "" if change.covers_seeds else " *")
            for system in compared
            for change in (system.changes[place],)
        }
        for place in places
    }
    changes = [change for system in compared for change in system.changes.values()]
    return forest_plot(groups, (f"{summary.control} better", "fewer errors"), _ends(changes))


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
    place: str | None,
    costs: Mapping[str, float],
    cost_name: str,
    *,
    logarithmic: bool = False,
) -> "Figure":
    place = place or summary.headline
    points = {}
    for name, system in summary.systems.items():
        rate = _rate(system, place)
        hint = f"{name}: {rate.mean:.2f} %, {len(rate.by_seed)} seeds"
        points[name] = CostPoint(costs[name], rate.mean, rate.deviation, hint)
    return rate_scatter(
        points,
        looks(list(points), summary.control),
        (cost_name, f"{place}, in %, mean over seeds; bars: one standard deviation"),
        f"{summary.metric.upper()} against {cost_name}",
        logarithmic=logarithmic,
    )


def _rate(system: SystemSummary, place: str) -> Rate:
    if place not in system.rates:
        raise ValueError(f"place must be one of {', '.join(system.rates)}, got {place!r}")
    return system.rates[place]
