"""The charts of the report, each a function from numbers to one SVG picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from speechmoe_espnet.report.svg import (
    FAINT,
    INK,
    RULE,
    Scale,
    element,
    heat_cell,
    line,
    picture,
    polyline,
    text,
    tooltip,
)
from speechmoe_espnet.scoring.bootstrap import Interval
from speechmoe_espnet.scoring.cer import Counts

VERDICT_COLOURS = {
    "better": "var(--better)",
    "worse": "var(--worse)",
    "no difference shown": "var(--faint)",
}


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    Attributes:
        name: What the tooltip calls it.
        colour: CSS colour.
        xs: Places on the horizontal axis.
        ys: Values, None where there is none.
        dashed: Whether the line is dashed.
    """

    name: str
    colour: str
    xs: Sequence[float]
    ys: Sequence[float | None]
    dashed: bool = False


def line_chart(title: str, series: Sequence[Series], x_label: str) -> str:
    """Draw lines over a common axis.

    Args:
        title: What stands above.
        series: The lines; at least one has a value.
        x_label: Name of the horizontal axis.
    """
    width, height, left, right, top, bottom = 344, 236, 46, 12, 28, 40
    x_scale = Scale.around(
        [x for item in series for x in item.xs], left, width - right, include=(0.0,)
    )
    values = [y for item in series for y in item.ys if y is not None]
    y_scale = Scale.around(values, height - bottom, top)
    parts = [text(left, 16, title, font_weight=600)]
    for tick in y_scale.ticks():
        y = y_scale(tick)
        parts.append(line(left, y, width - right, y))
        parts.append(text(left - 6, y + 4, f"{tick:g}", text_anchor="end", fill=FAINT))
    for tick in x_scale.ticks(4):
        x = x_scale(tick)
        parts.append(text(x, height - bottom + 16, f"{tick:g}", text_anchor="middle", fill=FAINT))
    parts.append(text((left + width) / 2, height - 6, x_label, text_anchor="middle", fill=FAINT))
    for item in series:
        points = [
            (x_scale(x), None if y is None else y_scale(y))
            for x, y in zip(item.xs, item.ys, strict=True)
        ]
        dashes = {"stroke_dasharray": "5 4"} if item.dashed else {}
        parts.append(polyline(points, stroke=item.colour, stroke_width=2, **dashes))
        for (place, level), number, value in zip(points, item.xs, item.ys, strict=True):
            if level is not None and value is not None:
                hint = tooltip(f"{item.name}, {x_label} {number:g}: {value:.4g}")
                parts.append(element("circle", hint, cx=place, cy=level, r=2.5, fill=item.colour))
    return picture(width, height, parts, f"{title}: lines of {len(series)} series")


def forest_plot(changes: Mapping[str, Interval], control: str, candidate: str) -> str:
    """Draw relative changes with their intervals, a row a set.

    Args:
        changes: Relative change by set, positive where the candidate is better.
        control: Name of the control.
        candidate: Name of the candidate.
    """
    width, left, right, top, row = 600, 74, 170, 34, 30
    bottom = top + row * len(changes)
    ends = [100 * end for item in changes.values() for end in (item.low, item.high)]
    reach = max(1.0, *(abs(end) for end in ends)) * 1.08
    scale = Scale(-reach, reach, left, width - right)
    parts = [
        text(scale(0) - 10, 14, f"← {control} better", text_anchor="end", fill=FAINT),
        text(scale(0) + 10, 14, f"{candidate} better →", fill=FAINT),
    ]
    for tick in scale.ticks(6):
        x = scale(tick)
        parts.append(line(x, top - 8, x, bottom, stroke=INK if tick == 0 else RULE))
        parts.append(
            text(x, bottom + 16, f"{tick:+g} %" if tick else "0", text_anchor="middle", fill=FAINT)
        )
    for index, (name, item) in enumerate(changes.items()):
        y = top + row * index + row / 2 - 4
        colour = VERDICT_COLOURS[item.verdict]
        mean, low, high = (100 * value for value in (item.mean, item.low, item.high))
        weight = 700 if name == "total" else 400
        parts.append(text(left - 8, y + 4, name, text_anchor="end", font_weight=weight))
        parts.append(line(scale(low), y, scale(high), y, stroke=colour, stroke_width=3))
        parts.append(element("circle", cx=scale(mean), cy=y, r=6, fill=colour))
        label = f"{mean:+.1f} %  [{low:+.1f}, {high:+.1f}]"
        parts.append(text(width - right + 14, y + 4, label, font_weight=weight))
    return picture(width, bottom + 24, parts, "Relative change with 95 % intervals by set")


def error_bars(counts: Mapping[str, Mapping[str, Counts]]) -> str:
    """Draw substitutions, deletions and insertions as stacked bars in percent.

    Args:
        counts: Counts by set and, within, by system.
    """
    left, right, top, row, gap = _label_width(counts), 60, 8, 20, 12
    width = left + 480
    longest = max(item.cer for systems in counts.values() for item in systems.values())
    scale = Scale(0.0, max(longest, 1e-6), left, width - right)
    parts: list[str] = []
    y = float(top)
    for set_name, systems in counts.items():
        parts.append(text(0, y + 14, set_name, font_weight=600))
        for name, item in systems.items():
            parts.append(text(left - 8, y + 14, name, text_anchor="end", fill=FAINT))
            x = scale(0.0)
            for kind, count in (("sub", item.sub), ("del", item.del_), ("ins", item.ins)):
                share = 100.0 * count / item.num_chars
                end = x + scale(share) - scale(0.0)
                hint = tooltip(f"{set_name}, {name}, {kind}: {count} ({share:.2f} %)")
                parts.append(
                    element(
                        "rect",
                        hint,
                        x=x,
                        y=y + 2,
                        width=max(end - x - 1, 0.0),
                        height=row - 4,
                        fill=f"var(--{kind})",
                    )
                )
                x = end
            parts.append(text(x + 6, y + 14, f"{item.cer:.1f}"))
            y += row
        y += gap
    return picture(width, y, parts, "Substitutions, deletions and insertions by set and system")


def strip_plot(
    rates: Mapping[str, Mapping[str, Mapping[str, float]]], colours: Mapping[str, str]
) -> str:
    """Draw the error rate of each speaker as a dot.

    Args:
        rates: Error rate in percent by set, system and speaker.
        colours: CSS colour by system.
    """
    left, right, top, row, gap = _label_width(rates), 24, 8, 20, 12
    width = left + 480
    values = [
        value for sets in rates.values() for items in sets.values() for value in items.values()
    ]
    scale = Scale.around(values, left, width - right, include=(0.0,))
    height = top + sum(row * len(systems) + gap for systems in rates.values()) + 20
    parts = []
    for tick in scale.ticks(6):
        parts.append(line(scale(tick), top, scale(tick), height - 22))
        parts.append(text(scale(tick), height - 6, f"{tick:g} %", text_anchor="middle", fill=FAINT))
    y = float(top)
    for set_name, systems in rates.items():
        parts.append(text(0, y + 14, set_name, font_weight=600))
        for name, speakers in systems.items():
            parts.append(text(left - 8, y + 14, name, text_anchor="end", fill=FAINT))
            for speaker, value in speakers.items():
                hint = tooltip(f"{set_name}, {name}, {speaker}: {value:.2f} %")
                parts.append(
                    element(
                        "circle",
                        hint,
                        cx=scale(value),
                        cy=y + 10,
                        r=5,
                        fill=colours[name],
                        fill_opacity=0.65,
                    )
                )
            y += row
        y += gap
    return picture(width, height, parts, "Error rate of each speaker by set and system")


def heat_map(title: str, layers: Sequence[Sequence[float]], confidence: Sequence[float]) -> str:
    """Draw the load of the experts, a row a layer.

    Args:
        title: What stands above.
        layers: Share of the frames by layer and expert.
        confidence: Mean probability of the chosen expert by layer.
    """
    num_experts = max(len(load) for load in layers)
    cell, row, left, top = max(30, min(42, 320 // num_experts)), 24, 30, 42
    peak = max(max(load) for load in layers)
    end = left + cell * num_experts
    parts = [text(left, 14, title, font_weight=600)]
    for expert in range(num_experts):
        x = left + cell * (expert + 0.5)
        parts.append(text(x, top - 6, str(expert + 1), text_anchor="middle", fill=FAINT))
    parts.append(text(end + 10, top - 6, "conf.", fill=FAINT))
    for index, (load, sureness) in enumerate(zip(layers, confidence, strict=True)):
        y = top + row * index
        parts.append(text(left - 8, y + 16, str(index + 1), text_anchor="end", fill=FAINT))
        for expert, share in enumerate(load):
            hint = f"{title}, layer {index + 1}, expert {expert + 1}: {share:.1%}"
            place = (left + cell * expert, y)
            parts += heat_cell(place, (cell, row), share / peak, hint, f"{100 * share:.0f}")
        parts.append(text(end + 10, y + 16, f"{sureness:.2f}"))
    height = top + row * len(layers) + 6
    return picture(end + 52, height, parts, f"{title}: share of frames by layer and expert")


def _label_width(groups: Mapping[str, Mapping[str, object]]) -> int:
    """Return the pixels that names of sets and, beside them, of systems need."""
    longest_set = max(len(name) for name in groups)
    longest_system = max(len(name) for systems in groups.values() for name in systems)
    return 8 * (longest_set + longest_system) + 24
