"""Sections of the report about decoding: its settings, and what happened below the characters."""

from collections.abc import Mapping, Sequence
from html import escape

from speechmoe_espnet.report.markup import table
from speechmoe_espnet.report.svg import (
    FAINT,
    RULE,
    Scale,
    element,
    line,
    picture,
    polyline,
    text,
    tooltip,
)
from speechmoe_espnet.results.decoding import decoding_rows
from speechmoe_espnet.results.system import System


def decoding_table(systems: Sequence[System]) -> str:
    """Write how each system was decoded; nothing where that is known of none."""
    rows = decoding_rows({system.name: system.decoding for system in systems})
    if not rows:
        return ""
    cells = [
        [escape(system.name), *(escape(values[index]) for values in rows.values())]
        for index, system in enumerate(systems)
    ]
    return table(["system", *map(escape, rows)], cells)


def syllable_table(systems: Sequence[System]) -> str:
    """Write error rates in units by set and system, `-` for systems without any.

    Args:
        systems: The systems, of which at least one was scored in units.
    """
    by_system = [system.syllable_counts for system in systems]
    first = next(counts for counts in by_system if counts)
    head = ["set"]
    head += [f"{escape(system.name)} <span class=small>SER %</span>" for system in systems]
    rows = [
        [
            escape(name),
            *(f"{counts[name].cer:.2f}" if counts else "-" for counts in by_system),
            str(size.num_utts),
            str(size.num_chars),
        ]
        for name, size in first.items()
    ]
    return table([*head, "utterances", "units"], rows, class_="headline")


def syllable_scatter(systems: Sequence[System], colours: Mapping[str, str]) -> str:
    """Draw the character error rate over the error rate in units, a point a set and system.

    A thin line joins the points of a set, in the order of the systems; its name stands at the
    first one.

    Args:
        systems: The systems, of which at least one was scored in units.
        colours: CSS colour by system.
    """
    by_set = {
        name: [
            (system.name, outcome.syllable_counts.cer, outcome.counts.cer)
            for system in systems
            if (outcome := system.sets[name]).syllable_counts is not None
        ]
        for name in systems[0].sets
    }
    points = [point for items in by_set.values() for point in items]
    width, height, left, right, top, bottom = 480, 360, 52, 76, 30, 44
    x_scale = Scale.around([point[1] for point in points], left, width - right, include=(0.0,))
    y_scale = Scale.around([point[2] for point in points], height - bottom, top, include=(0.0,))
    parts = [text(left, 16, "CER in %, over SER in %", font_weight=600)]
    for tick in y_scale.ticks():
        parts.append(line(left, y_scale(tick), width - right, y_scale(tick)))
        label = text(left - 6, y_scale(tick) + 4, f"{tick:g}", text_anchor="end", fill=FAINT)
        parts.append(label)
    for tick in x_scale.ticks():
        place, below = x_scale(tick), height - bottom + 16
        parts.append(text(place, below, f"{tick:g}", text_anchor="middle", fill=FAINT))
    end = min(x_scale.high, y_scale.high)
    diagonal = (x_scale(0.0), y_scale(0.0), x_scale(end), y_scale(end))
    parts.append(line(*diagonal, stroke=RULE, stroke_width=2, stroke_dasharray="5 4"))
    parts.append(text(x_scale(end) + 4, y_scale(end) + 4, "equal", fill=FAINT))
    for set_name, items in by_set.items():
        places = [(x_scale(ser), y_scale(cer)) for _, ser, cer in items]
        parts.append(polyline(places, stroke=FAINT))
        for (x, y), (name, ser, cer) in zip(places, items, strict=True):
            hint = tooltip(f"{set_name}, {name}: SER {ser:.2f} %, CER {cer:.2f} %")
            parts.append(element("circle", hint, cx=x, cy=y, r=5, fill=colours[name]))
        x, y = places[0]
        if x - left > 8 * len(set_name) + 9:
            parts.append(text(x - 9, y - 5, set_name, font_size=12, text_anchor="end"))
        else:
            parts.append(text(x + 9, y + 12, set_name, font_size=12))
    middle = (left + width - right) / 2
    parts.append(text(middle, height - 8, "SER", text_anchor="middle", fill=FAINT))
    return picture(width, height, parts, "Character error rate over error rate in units")
