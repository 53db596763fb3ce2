"""Looks of systems in every chart, and places of labels so that little overlaps."""

import colorsys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from speechmoe_espnet.report.palette import SERIES

_CONTROL = SERIES[2]
_COLOURS = (SERIES[1], SERIES[0], *SERIES[3:])
_MARKERS = ("o", "s", "D", "^")
_DASHES = ((), (7.0, 4.0), (2.0, 3.0), (10.0, 3.0, 2.0, 3.0))
# The colour-blind tell these apart. None of them is a colour of the palette: they mean the same
# in light and dark mode.
_EXPERTS = (
    *("#0072b3", "#e69f00", "#009e74", "#cc79a7"),
    *("#56b4e9", "#d55e01", "#b7a900", "#7f7f7f"),
)
_GOLDEN_ANGLE = 137.508
_LINE = 14.0
_LABEL_PLACES = (
    *((9, 4, "start"), (-9, 4, "end"), (0, -10, "middle"), (0, 20, "middle")),
    *((8, -9, "start"), (8, 18, "start"), (-8, -9, "end"), (-8, 18, "end")),
    *((12, -24, "start"), (12, 32, "start"), (-12, -24, "end"), (-12, 32, "end")),
    *((12, -40, "start"), (12, 48, "start"), (-12, -40, "end"), (-12, 48, "end")),
)

LETTER = 7.6
"""What a letter of a label takes in width, in pixels, at most in the mean."""

type Point = tuple[float, float]
type Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""


@dataclass(frozen=True)
class Look:
    """How a system looks in every chart.

    Attributes:
        colour: A colour of the palette.
        marker: Marker of its points, as matplotlib names it.
        dashes: Lengths of dashes and gaps of its line in pixels, empty for a full one.
    """

    colour: str
    marker: str
    dashes: tuple[float, ...]

    @property
    def line(self) -> dict[str, Any]:
        """Arguments of `Axes.plot`."""
        dashes = {"dashes": self.dashes} if self.dashes else {}
        return {"color": self.colour, **dashes}


def looks(systems: Sequence[str], control: str | None) -> dict[str, Look]:
    """Give each system a look: the control is grey, more than five others also differ in shape."""
    found: dict[str, Look] = {}
    others = 0
    for system in systems:
        if system == control:
            found[system] = Look(_CONTROL, _MARKERS[0], ())
            continue
        cycle = (others // len(_COLOURS)) % len(_DASHES)
        found[system] = Look(_COLOURS[others % len(_COLOURS)], _MARKERS[cycle], _DASHES[cycle])
        others += 1
    return found


def expert_colour(expert: int) -> str:
    """Return the colour of an expert: eight that the colour-blind tell apart, then any."""
    if expert < len(_EXPERTS):
        return _EXPERTS[expert]
    hue = (expert * _GOLDEN_ANGLE) % 360 / 360
    red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(hue, 0.5, 0.55))
    return f"#{red:02x}{green:02x}{blue:02x}"


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
        Place of the baseline and alignment (`start`, `middle` or `end`) of each label.
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
