"""Picture of the ratios of benchmarks: one panel per comparison, one bar per system."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.result import Row
from speechmoe_espnet.report.figure import new_figure, standalone_svg, styled
from speechmoe_espnet.report.palette import INK, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OURS, OTHERS, LIMIT = SERIES[0], SERIES[2], SERIES[1]
OUR_NAMES = ("MoE", "ours", "E=", "sparse", "speechmoe_espnet")
TITLE_WIDTH = 44
PANELS_A_ROW = 2
LONGEST_BAR = 3.0
WIDTH, ROW, PANEL = 840.0, 23.0, 65.0
PNG_DPI = 110


def draw(rows: Sequence[Row], path: str | Path) -> None:
    """Draw every comparison of two or more systems.

    Bars longer than three times the baseline are cut and labelled with their value.

    Args:
        rows: Rows of benchmarks.
        path: Picture to write; the suffix selects the format (png, svg, pdf). An svg follows
            light and dark mode, a png or pdf is light.

    Raises:
        ValueError: No row has a ratio.
    """
    panels = _panels(rows)
    if not panels:
        raise ValueError("no ratios to draw; give JSON files of benchmarks")
    figure = ratio_bars(panels)
    if Path(path).suffix == ".svg":
        Path(path).write_text(standalone_svg(figure), encoding="utf-8", newline="\n")
    else:
        figure.savefig(path, dpi=PNG_DPI, facecolor="white")


@styled
def ratio_bars(panels: Sequence[tuple[str, Sequence[Row]]]) -> "Figure":
    """Draw ratios to the baseline with their spread, a panel a comparison.

    Args:
        panels: Title and rows of each panel.
    """
    num_rows = -(-len(panels) // PANELS_A_ROW)
    heights = [
        max(len(rows) for _, rows in panels[first : first + PANELS_A_ROW])
        for first in range(0, len(panels), PANELS_A_ROW)
    ]
    label = "Ratios to the baseline of each comparison"
    figure = new_figure(WIDTH, ROW * sum(heights) + PANEL * num_rows, label, layout=True)
    grid = figure.subplots(
        num_rows, PANELS_A_ROW, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for axes, (title, panel) in zip(grid.flat, panels, strict=False):
        _draw_panel(axes, title, panel)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    return figure


def _panels(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Group rows of the same case and measure, if at least two have a ratio."""
    panels: dict[str, list[Row]] = {}
    for row in rows:
        if row.ratio is not None:
            title = textwrap.fill(row.case, TITLE_WIDTH) + f"\n{row.measure}"
            panels.setdefault(title, []).append(row)
    return [(title, panel) for title, panel in panels.items() if len(panel) > 1]


def _draw_panel(axes: "Axes", title: str, panel: Sequence[Row]) -> None:
    axes.set_title(title, fontsize=11)
    for place, row in enumerate(reversed(panel)):
        assert row.ratio is not None
        ours = row.system.startswith(OUR_NAMES)
        length = min(row.ratio.median, LONGEST_BAR)
        axes.barh(place, length, color=OURS if ours else OTHERS, height=0.7)
        if row.ratio.median < LONGEST_BAR:
            axes.plot([row.ratio.low, row.ratio.high], [place, place], color=INK, linewidth=1)
        if row.bar is not None and 0 < row.bar < LONGEST_BAR:
            axes.plot([row.bar, row.bar], [place - 0.45, place + 0.45], color=LIMIT, linewidth=2)
        axes.annotate(
            f"{row.ratio.median:.2f}",
            (max(length, min(row.ratio.high, LONGEST_BAR)), place),
            (6, 0),
            textcoords="offset pixels",
            va="center_baseline",
            fontsize=10,
            annotation_clip=False,
        )
    axes.set_yticks(range(len(panel)), [row.system for row in reversed(panel)], fontsize=10)
    axes.set_xlim(0, LONGEST_BAR * 1.08)
    axes.axvline(1.0, color=INK, linewidth=0.6)
    axes.tick_params(axis="x", labelsize=10)
    axes.grid(visible=False)
