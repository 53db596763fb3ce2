"""Building blocks of inline SVG.

Charts are written as SVG text, not drawn by a plotting library: the page stays one small file,
its text uses the reader's fonts (Chinese included), and its colours follow light and dark mode
through the variables of `style.py`.
"""

import base64
import math
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.report.style import COLOURS

INK, FAINT, RULE = "var(--ink)", "var(--faint)", "var(--rule)"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ANCHORS = ((0, 0, 4), (81, 18, 124), (183, 55, 121), (252, 137, 97), (252, 253, 191))


def element(tag: str, content: str = "", /, **attributes: object) -> str:
    """Write an element.

    Args:
        tag: Its name.
        content: What stands inside, already escaped.
        **attributes: Its attributes; `_` in a name stands for `-` and is dropped at the end.
    """
    words = [tag]
    for key, value in attributes.items():
        if isinstance(value, float):
            value = f"{value:.2f}".rstrip("0").rstrip(".")
        words.append(f'{key.rstrip("_").replace("_", "-")}="{escape(str(value))}"')
    opening = " ".join(words)
    return f"<{opening}>{content}</{tag}>" if content else f"<{opening}/>"


def picture(width: float, height: float, content: Iterable[str], label: str) -> str:
    """Write a whole picture that shrinks on narrow screens.

    Args:
        width: Width in pixels.
        height: Height in pixels.
        content: Its elements.
        label: What it shows, for those who cannot see it.
    """
    return element(
        "svg",
        "".join(content),
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=f"{width:.0f}",
        height=f"{height:.0f}",
        role="img",
        aria_label=label,
    )


def standalone(drawing: str) -> str:
    """Make a file of its own out of a picture, with the colours of light and dark mode.

    Args:
        drawing: What `picture` returned.
    """
    opening, content = drawing.removeprefix("<svg ").removesuffix("</svg>").split(">", 1)
    background = element("rect", width="100%", height="100%", fill="var(--paper)")
    group = element("g", content, font_family="system-ui, sans-serif", font_size=13)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {opening}>'
        f"{element('style', COLOURS)}{background}{group}</svg>\n"
    )


def text(x: float, y: float, words: str, **attributes: object) -> str:
    """Write text with its baseline at (x, y)."""
    attributes.setdefault("fill", INK)
    return element("text", escape(words), x=x, y=y, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, **attributes: object) -> str:
    """Write a line."""
    attributes.setdefault("stroke", RULE)
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **attributes)


def tooltip(words: str) -> str:
    """Write what a mouse over the surrounding element shows."""
    return element("title", escape(words))


@dataclass(frozen=True)
class Scale:
    """A linear map from data to pixels.

    Attributes:
        low: Data value at `start`.
        high: Data value at `stop`.
        start: Pixels.
        stop: Pixels.
    """

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """Return the place of a value, in pixels."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)

    @classmethod
    def around(
        cls, values: Iterable[float], start: float, stop: float, *, include: Sequence[float] = ()
    ) -> "Scale":
        """Make the scale that holds all values, with a margin, and those of `include`."""
        points = [*values, *include]
        low, high = (min(points), max(points)) if points else (0.0, 1.0)
        margin = 0.05 * (high - low) or abs(high) * 0.1 or 1.0
        low = low if low in include else low - margin
        high = high if high in include and high > low else high + margin
        return cls(low, high, start, stop)

    def ticks(self, count: int = 5) -> list[float]:
        """Return about `count` round values within the scale."""
        rough = (self.high - self.low) / count
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [round(index * step, 10) for index in range(first, last + 1)]


def polyline(points: Sequence[tuple[float, float | None]], **attributes: object) -> str:
    """Write a line through points, broken where a value is missing."""
    path, pen_down = [], False
    for x, y in points:
        if y is None:
            pen_down = False
            continue
        path.append(f"{'L' if pen_down else 'M'}{x:.1f} {y:.1f}")
        pen_down = True
    return element("path", d="".join(path), fill="none", **attributes)


def png_data_uri(values: NDArray[np.floating]) -> str:
    """Draw a matrix as a picture of one pixel a cell, from dark (low) to bright (high).

    The 2nd and the 98th percentile become the ends of the colours.

    Args:
        values: Finite values, (rows, columns), first row on top.

    Returns:
        A `data:` address of a PNG.
    """
    low, high = np.percentile(values, [2, 98])
    shares = np.clip((values - low) / max(high - low, 1e-9), 0, 1)
    levels = np.round(255 * shares).astype(np.uint8)
    rows, columns = levels.shape
    lines = b"".join(b"\0" + row.tobytes() for row in levels)
    header = struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)
    data = _SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in (
            (b"IHDR", header),
            (b"PLTE", _palette()),
            (b"IDAT", zlib.compress(lines, 9)),
            (b"IEND", b""),
        )
    )
    return "data:image/png;base64," + base64.b64encode(data).decode("ascii")


def _palette() -> bytes:
    places = np.linspace(0, 1, len(_ANCHORS))
    channels = [
        np.interp(np.linspace(0, 1, 256), places, [anchor[index] for anchor in _ANCHORS])
        for index in range(3)
    ]
    return np.stack(channels, axis=1).round().astype(np.uint8).tobytes()


def heat_cell(
    place: tuple[float, float],
    size: tuple[float, float],
    strength: float,
    hint: str,
    label: str = "",
    **attributes: object,
) -> list[str]:
    """Draw a cell of a heat map.

    Args:
        place: Left and top of the cell.
        size: Its width and height, with the gap to its neighbours.
        strength: How strong its colour is, 0 to 1; a trace of it is always seen.
        hint: What a pointer on it shows, plain text.
        label: What stands in it, plain text.
        **attributes: More attributes of its rectangle, as `element` takes them.
    """
    (x, y), (width, height) = place, size
    parts = [
        element(
            "rect",
            tooltip(hint),
            x=x + 1,
            y=y + 1,
            width=width - 2,
            height=height - 2,
            rx=2,
            fill="var(--heat)",
            fill_opacity=max(0.04, strength),
            **attributes,
        )
    ]
    if label:
        colour = "var(--heat-ink)" if strength > 0.6 else INK
        centred = {"text_anchor": "middle", "font_size": 11, "pointer_events": "none"}
        parts.append(text(x + width / 2, y + height / 2 + 4, label, fill=colour, **centred))
    return parts
