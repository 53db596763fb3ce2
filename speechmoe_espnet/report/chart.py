"""Parts of the pictures of experiments: looks of systems, axes, clipped lines, placed labels."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from speechmoe_espnet.report.svg import (
    FAINT,
    Scale,
    element,
    line,
    polyline,
    text,
    tooltip,
)

_COLOURS = ("var(--c1)", "var(--c0)", "var(--c3)", "var(--c4)", "var(--c5)")
_DASHES = ("", "7 4", "2 3", "10 3 2 3")
_CONTROL = "var(--c2)"
_LINE = 14.0
_LABEL_PLACES = (
    *((9, 4, "start"), (-9, 4, "end"), (0, -10, "middle"), (0, 20, "middle")),
    *((8, -9, "start"), (8, 18, "start"), (-8, -9, "end"), (-8, 18, "end")),
    *((12, -24, "start"), (12, 32, "start"), (-12, -24, "end"), (-12, 32, "end")),
    *((12, -40, "start"), (12, 48, "start"), (-12, -40, "end"), (-12, 48, "end")),
)

LETTER = 8.4
"""What a letter of a label takes in width, in pixels, at most in the mean."""

type Point = tuple[float, float]
type Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""


@dataclass(frozen=True)
class Look:
    """How a system looks in every picture.

    Attributes:
        colour: CSS colour.
        shape: 0 circle, 1 square, 2 diamond, 3 triangle.
        dashes: Dashes of its line, empty for a full one.
    """

    colour: str
    shape: int
    dashes: str

    @property
    def stroke(self) -> dict[str, object]:
        """Attributes of a line."""
        dashes = {"stroke_dasharray": self.dashes} if self.dashes else {}
        return {"stroke": self.colour, **dashes}


def looks(systems: Sequence[str], control: str | None) -> dict[str, Look]:
    """Give each system a look: the control is grey, more than five others also differ in shape."""
    found: dict[str, Look] = {}
    others = 0
    for system in systems:
        if system == control:
            found[system] = Look(_CONTROL, 0, "")
            continue
        cycle = (others // len(_COLOURS)) % len(_DASHES)
        found[system] = Look(_COLOURS[others % len(_COLOURS)], cycle, _DASHES[cycle])
        others += 1
    return found


@dataclass(frozen=True)
class Frame:
    """The rectangle that holds data, with its two scales."""

    x: Scale
    y: Scale

    @property
    def box(self) -> Box:
        """Its edges."""
        return (self.x.start, self.y.stop, self.x.stop, self.y.start)

    def axes(
        self,
        names: tuple[str, str],
        *,
        title: str = "",
        x_ticks: Mapping[float, str] | None = None,
    ) -> list[str]:
        """Draw grid lines, ticks and names.

        Args:
            names: Names of the horizontal and of the vertical axis.
            title: What stands above.
            x_ticks: Words by place on the horizontal axis; None: round numbers.
        """
        left, top, right, bottom = self.box
        parts = [text(left, top - 24, title, font_weight=600)] if title else []
        parts.append(text(left, top - 8, names[1], fill=FAINT))
        for tick in self.y.ticks():
            parts.append(line(left, self.y(tick), right, self.y(tick)))
            words = f"{tick:g}"
            parts.append(text(left - 6, self.y(tick) + 4, words, text_anchor="end", fill=FAINT))
        words_by_tick = x_ticks or {tick: f"{tick:g}" for tick in self.x.ticks()}
        for tick, words in words_by_tick.items():
            place = self.x(tick)
            parts.append(line(place, bottom, place, bottom + 4))
            parts.append(text(place, bottom + 17, words, text_anchor="middle", fill=FAINT))
        parts.append(line(left, bottom, right, bottom, stroke=FAINT))
        middle = (left + right) / 2
        return [*parts, text(middle, bottom + 36, names[0], text_anchor="middle", fill=FAINT)]

    def path(self, points: Sequence[Point], hint: str, **attributes: object) -> str:
        """Draw a line through data points, cut at the top and the bottom of the frame."""
        places = [
            (self.x(x), None if y is None else self.y(y))
            for x, y in clipped(points, self.y.low, self.y.high)
        ]
        return element("g", tooltip(hint) + polyline(places, stroke_linejoin="round", **attributes))


def clipped(points: Sequence[Point], low: float, high: float) -> list[tuple[float, float | None]]:
    """Cut a line where it leaves a range of values.

    Args:
        points: Points of the line.
        low: Lowest value that is kept.
        high: Highest value that is kept, above `low`.

    Returns:
        The points within, points where the line crosses an end, and None as the value where it
        is outside.
    """
    result: list[tuple[float, float | None]] = []
    for index, (x, y) in enumerate(points):
        if index:
            x_before, y_before = points[index - 1]
            ends = [end for end in (low, high) if min(y_before, y) < end < max(y_before, y)]
            for end in sorted(ends, reverse=y < y_before):
                share = (end - y_before) / (y - y_before)
                crossing = (x_before + share * (x - x_before), end)
                leaves = (y - y_before) * (1 if end == high else -1) > 0
                result += [crossing, (crossing[0], None)] if leaves else [crossing]
        result.append((x, y if low <= y <= high else None))
    return result


def log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two positive ones: 1, 2 and 5 times powers of ten."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    return [tick for tick in ticks if low <= tick <= high]


def marker(place: Point, look: Look, hint: str, size: float = 5.5) -> str:
    """Draw a point in the look of its system."""
    x, y = place
    if look.shape == 0:
        return element("circle", tooltip(hint), cx=x, cy=y, r=size, fill=look.colour)
    outlines = {
        1: ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
        2: ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
        3: ((0, -1.2), (1.15, 0.9), (-1.15, 0.9)),
    }
    corners = " ".join(
        f"{x + size * dx:.1f},{y + size * dy:.1f}" for dx, dy in outlines[look.shape]
    )
    return element("polygon", tooltip(hint), points=corners, fill=look.colour)


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move labels of one column apart, as little as needed.

    Args:
        places: Where they want to stand.
        gap: Least distance of two.
        low: Least place.
        high: Greatest place; given way to where there are too many.

    Returns:
        Their places, in the same order as given.
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    moved = [places[index] for index in order]
    for index in range(len(moved)):
        least = low if index == 0 else moved[index - 1] + gap
        moved[index] = max(moved[index], least)
    for index in reversed(range(len(moved))):
        most = high if index == len(moved) - 1 else moved[index + 1] - gap
        moved[index] = min(moved[index], most)
    for index in range(len(moved)):
        least = low if index == 0 else moved[index - 1] + gap
        moved[index] = max(moved[index], least)
    result = [0.0] * len(places)
    for index, place in zip(order, moved, strict=True):
        result[index] = place
    return result


def place_labels(
    labels: Sequence[tuple[Point, str]], within: Box, obstacles: Iterable[Box] = ()
) -> list[tuple[float, float, str]]:
    """Choose where labels of points stand, one after the other, so that little overlaps.

    Args:
        labels: Place of a point and the words of its label.
        within: Where labels may stand.
        obstacles: What they should not hide, besides the points and each other.

    Returns:
        Place of the baseline and `text-anchor` of each label.
    """
    taken = [(x - 6, y - 6, x + 6, y + 6) for (x, y), _ in labels]
    taken += list(obstacles)
    result = []
    for (x, y), words in labels:
        costs = []
        for rank, (dx, dy, anchor) in enumerate(_LABEL_PLACES):
            box = _label_box(x + dx, y + dy, anchor, words)
            hidden = sum(_overlap(box, other) for other in taken)
            outside = (box[2] - box[0]) * (box[3] - box[1]) - _overlap(box, within)
            costs.append((hidden + 4 * outside + 2 * rank, rank, box))
        _, rank, box = min(costs)
        dx, dy, anchor = _LABEL_PLACES[rank]
        taken.append(box)
        result.append((x + dx, y + dy, anchor))
    return result


def _label_box(x: float, y: float, anchor: str, words: str) -> Box:
    width = LETTER * len(words)
    left = x - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
    return (left, y - _LINE + 3, left + width, y + 3)


def _overlap(first: Box, second: Box) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return max(width, 0.0) * max(height, 0.0)
