"""Picture of the ratios of benchmarks: one panel per comparison, one bar per system."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from benchmarks.result import Row

OURS, OTHERS, LIMIT = "#0072b2", "#b8bec8", "#d55e00"
OUR_NAMES = ("MoE", "ours", "E=", "sparse", "speechmoe_espnet")
TITLE_WIDTH = 44
PANELS_A_ROW = 2
LONGEST_BAR = 3.0


def draw(rows: Sequence[Row], path: str | Path) -> None:
    """Draw every comparison of two or more systems.

    Bars longer than three times the baseline are cut and labelled with their value.

    Args:
        rows: Rows of benchmarks.
        path: Picture to write; the suffix selects the format (png, svg, pdf).

    Raises:
        ValueError: No row has a ratio.
    """
    panels = _panels(rows)
    if not panels:
        raise ValueError("no ratios to draw; give JSON files of benchmarks")
    # Imported here: matplotlib takes a second, and only this function draws.
    from matplotlib.figure import Figure

    num_rows = -(-len(panels) // PANELS_A_ROW)
    heights = [
        max(len(rows) for _, rows in panels[first : first + PANELS_A_ROW])
        for first in range(0, len(panels), PANELS_A_ROW)
    ]
    figure = Figure(figsize=(11, 0.32 * sum(heights) + 0.9 * num_rows), layout="constrained")
    grid = figure.subplots(
        num_rows, PANELS_A_ROW, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for axes, (title, panel) in zip(grid.flat, panels, strict=False):
        _draw_panel(axes, title, panel)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    figure.savefig(path, dpi=110)


def _panels(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Group rows of the same case and measure, if at least two have a ratio."""
    panels: dict[str, list[Row]] = {}
    for row in rows:
        if row.ratio is not None:
            title = textwrap.fill(row.case, TITLE_WIDTH) + f"\n{row.measure}"
            panels.setdefault(title, []).append(row)
    return [(title, panel) for title, panel in panels.items() if len(panel) > 1]


def _draw_panel(axes: object, title: str, panel: Sequence[Row]) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    axes.set_title(title, fontsize=9, loc="left")
    for place, row in enumerate(reversed(panel)):
        assert row.ratio is not None
        ours = row.system.startswith(OUR_NAMES)
        length = min(row.ratio.median, LONGEST_BAR)
        axes.barh(place, length, color=OURS if ours else OTHERS, height=0.7)
        if row.ratio.median < LONGEST_BAR:
            axes.plot([row.ratio.low, row.ratio.high], [place, place], color="black", linewidth=1)
        if row.bar is not None and 0 < row.bar < LONGEST_BAR:
            axes.plot([row.bar, row.bar], [place - 0.45, place + 0.45], color=LIMIT, linewidth=2)
        axes.annotate(
            f" {row.ratio.median:.2f}",
            (length, place),
            va="center",
            fontsize=8,
            annotation_clip=False,
        )
    axes.set_yticks(range(len(panel)), [row.system for row in reversed(panel)], fontsize=8)
    axes.set_xlim(0, LONGEST_BAR * 1.08)
    axes.axvline(1.0, color="black", linewidth=0.6)
    axes.tick_params(axis="x", labelsize=7)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
