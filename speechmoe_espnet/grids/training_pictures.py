"""Charts of a grid's systems while they train: loss, error rate and routers on dev."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from speechmoe_espnet.grids.finished import FinishedRun
from speechmoe_espnet.grids.summary import Summary
from speechmoe_espnet.report.curves import Curves, curve_panels, mean_curves
from speechmoe_espnet.report.labels import Point, looks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN_FROM = 0.4
_ROUTER_PANELS = {
    "expert_load_entropy": "entropy of the load over log E",
    "router_confidence": "router confidence",
    "expert_load_max": "largest expert's share",
    "expert_load_min": "smallest expert's share",
}


def loss_picture(summary: Summary) -> "Figure | None":
    """Draw the CTC loss on dev against steps: means over seeds, faint lines of single seeds.

    The vertical axis holds what lies behind the first 40 % of the steps; lines enter from above.

    Args:
        summary: The systems.

    Returns:
        The chart, or None where no system recorded that loss.
    """
    return _dev_picture(summary, "loss_ctc", "CTC loss on dev")


def rate_picture(summary: Summary) -> "Figure | None":
    """Draw the CER of greedy search on dev against steps, otherwise as the loss.

    It is what training records of each epoch's own parameters (`cer_ctc`), in percent; units
    count as characters.

    Args:
        summary: The systems.

    Returns:
        The chart, or None where no system recorded that rate.
    """
    return _dev_picture(summary, "cer_ctc", "Greedy error rate on dev, %", 100.0)


def router_picture(summary: Summary) -> "Figure | None":
    """Draw the load of the experts and the routers' confidence on dev against steps.

    Means over layers and seeds, a panel a quantity.

    Args:
        summary: The systems.

    Returns:
        The chart, or None where no system has routers.
    """
    panels = {
        title: {
            name: _mean_curve(found)
            for name, system in summary.systems.items()
            if (found := _recorded(system.runs, quantity))
        }
        for quantity, title in _ROUTER_PANELS.items()
    }
    panels = {title: means for title, means in panels.items() if means}
    if not panels:
        return None
    styles = looks(list(summary.systems), summary.control)
    return curve_panels(panels, styles, "Load of the experts and router confidence")


def _dev_picture(summary: Summary, quantity: str, title: str, unit: float = 1.0) -> "Figure | None":
    """Draw a quantity of dev against steps, multiplied by `unit`."""
    styles = looks(list(summary.systems), summary.control)
    curves = {}
    for name, system in summary.systems.items():
        found = [
            {step: unit * value for step, value in curve.items()}
            for curve in _recorded(system.runs, quantity)
        ]
        if found:
            runs = [[(float(step), value) for step, value in run.items()] for run in found]
            curves[name] = Curves(styles[name], runs, _mean_curve(found))
    return mean_curves(title, curves, _SHOWN_FROM) if curves else None


def _recorded(runs: Sequence[FinishedRun], quantity: str) -> list[dict[int, float]]:
    return [curve for run in runs if (curve := run.curve("valid", quantity))]


def _mean_curve(found: Sequence[Mapping[int, float]]) -> list[Point]:
    """Average curves at the steps that all of them have; one curve where they share none."""
    steps = sorted(set.intersection(*(set(curve) for curve in found))) or sorted(found[0])
    shared = [curve for curve in found if all(step in curve for step in steps)]
    return [(float(step), float(np.mean([curve[step] for curve in shared]))) for step in steps]
