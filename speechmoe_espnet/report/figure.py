"""Figures as SVG that belongs to a page: its colours follow light and dark mode, text stays text.

matplotlib draws with the colours of `palette.py`. Its SVG is then cut down to what a page needs:
colours become CSS variables, fonts are the page's, ids that nothing refers to go, and tooltips
are added. The same figure gives the same bytes.

matplotlib takes half a second to import, so this module and the charts import it when they draw.
"""

import hashlib
import io
import json
import re
import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from markupsafe import Markup

from speechmoe_espnet.report.palette import COLOURS, FAINT, INK, PAPER, RULE, css

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FONT_SIZE = 12.0
SMALL = 11.0
_DPI = 72  # a point is a pixel
_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
_HINT, _HINTS = "hint ", "hints "
_SHARED_STYLE = f"font-size: {FONT_SIZE:g}px; stroke-linejoin: round; stroke-linecap: butt"
_SHARED_RULES = ("font-family", f"font-size: {FONT_SIZE:g}px")
_SMALLEST, _LARGEST = 0.7, 1.35
"""How far a chart on a page may shrink before it scrolls, and grow."""
_FONTS = 'system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif'
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "speechmoe_espnet",
    "figure.dpi": _DPI,
    "savefig.dpi": _DPI,
    "font.size": FONT_SIZE,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": RULE,
    "axes.labelcolor": FAINT,
    "axes.titlesize": FONT_SIZE + 1,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": FAINT,
    "ytick.labelcolor": FAINT,
    "ytick.major.size": 0,
    "text.color": INK,
    "patch.linewidth": 0,
}


def styled[**P](draw: Callable[P, "Figure"]) -> Callable[P, "Figure"]:
    """Make a chart function draw in the style of the pages, whatever style is set around it."""

    @wraps(draw)
    def draw_styled(*args: P.args, **kwargs: P.kwargs) -> "Figure":
        import matplotlib.style

        with matplotlib.style.context(["default", _STYLE]):
            return draw(*args, **kwargs)

    return draw_styled


def new_figure(width: float, height: float, label: str, *, layout: bool = False) -> "Figure":
    """Make an empty figure.

    Args:
        width: Width in pixels.
        height: Height in pixels.
        label: What it shows, for those who cannot see it.
        layout: Whether matplotlib finds room for names and ticks; otherwise `pixel_axes` places
            the axes.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / _DPI, height / _DPI), layout="constrained" if layout else None)
    figure.set_label(label)
    return figure


def pixel_axes(figure: "Figure", left: float, top: float, width: float, height: float) -> "Axes":
    """Add axes whose rectangle is given in pixels from the left and the top of the figure."""
    full_width, full_height = (_DPI * float(inches) for inches in figure.get_size_inches())
    bottom = full_height - top - height
    return figure.add_axes(
        (left / full_width, bottom / full_height, width / full_width, height / full_height)
    )


def hint(artist: "Artist", words: str) -> None:
    """Let a pointer on an artist show words."""
    artist.set_gid(_HINT + words)


def hints(artist: "Artist", words: Sequence[str]) -> None:
    """Let a pointer on each marker of a line, or each member of a collection, show words.

    Args:
        artist: The line or collection; all of it lies within the figure.
        words: What each marker or member shows, in their order.
    """
    artist.set_gid(_HINTS + json.dumps(list(words)))


def inline_svg(figure: "Figure") -> Markup:
    """Turn a figure into an element of a page that defines the colours of `palette.py`."""
    root = _svg(figure)
    width = float(root.attrib["width"])
    size = f"width: 100%; min-width: {_SMALLEST * width:.0f}px; max-width: {_LARGEST * width:.0f}px"
    root.set("style", f"{root.attrib['style']}; {size}")
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def standalone_svg(figure: "Figure") -> str:
    """Turn a figure into a file of its own, with the colours of light and dark mode."""
    root = _svg(figure)
    style = ElementTree.Element("style")
    style.text = f"{COLOURS}svg {{ font-family: {_FONTS}; }}"
    background = ElementTree.Element(
        "rect", {"width": "100%", "height": "100%", "style": f"fill: {css(PAPER)}"}
    )
    attributes = {"xmlns": "http://www.w3.org/2000/svg", **root.attrib}
    root.attrib.clear()
    root.attrib.update(attributes)
    root[:0] = [style, background]
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _svg(figure: "Figure") -> ElementTree.Element:
    import matplotlib.style

    buffer = io.StringIO()
    with warnings.catch_warnings(), matplotlib.style.context(["default", _STYLE]):
        # The reader's fonts show the text; matplotlib's need not have its characters.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(
            buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
        )
    drawn = ElementTree.fromstring(buffer.getvalue())
    prefix = hashlib.sha1(buffer.getvalue().encode()).hexdigest()[:8]
    _, _, width, height = drawn.attrib["viewBox"].split()
    root = ElementTree.Element(
        "svg",
        {
            "viewBox": f"0 0 {width} {height}",
            "width": width,
            "height": height,
            "role": "img",
            "aria-label": str(figure.get_label()),
            "style": _SHARED_STYLE,
        },
    )
    root.extend(_all_cut_down(drawn, prefix))
    return root


def _all_cut_down(parent: ElementTree.Element, prefix: str) -> list[ElementTree.Element]:
    return [found for node in parent if (found := _cut_down(node, prefix)) is not None]


def _cut_down(node: ElementTree.Element, prefix: str) -> ElementTree.Element | None:
    """Copy an element without what a page does not need; None: nothing is left of it."""
    tag = node.tag.removeprefix(_SVG)
    if tag in ("metadata", "style"):
        return None
    attributes = {}
    for name, value in node.attrib.items():
        name = name.removeprefix(_XLINK)
        if name == "id":
            if tag in ("g", "image", "text"):
                continue
            value = f"{prefix}{value}"
        elif name == "href" and value.startswith("#"):
            value = f"#{prefix}{value[1:]}"
        elif name == "href":
            value = value.replace("\n", "")
        elif name == "clip-path":
            value = value.replace("#", f"#{prefix}")
        elif name == "style":
            value = _page_style(value)
        elif name != "transform" or not value.startswith("matrix"):
            value = _rounded(value)
        if not (name == "transform" and value.startswith("rotate(-0 ")):
            attributes[name] = value
    copy = ElementTree.Element(tag, {name: value for name, value in attributes.items() if value})
    copy.text = node.text if tag == "text" else None
    copy.extend(_all_cut_down(node, prefix))
    if tag in ("g", "defs") and not len(copy):
        return None
    if tag == "path" and copy.get("style") == "fill: none":
        return None
    _add_tooltips(copy, node.attrib.get("id", ""))
    if tag == "g" and not copy.attrib and len(copy) == 1:
        return copy[0]
    return copy


def _add_tooltips(group: ElementTree.Element, gid: str) -> None:
    if gid.startswith(_HINT):
        _add_title(group, gid.removeprefix(_HINT))
    elif gid.startswith(_HINTS):
        words = json.loads(gid.removeprefix(_HINTS))
        hidden = {id(node) for defs in group.iter("defs") for node in defs.iter()}
        shapes = [node for node in group.iter() if id(node) not in hidden]
        targets = [node for node in shapes if node.tag == "use"]
        targets = targets or [node for node in shapes if node.tag == "path"]
        for target, tooltip in zip(targets, words, strict=True):
            _add_title(target, tooltip)


def _add_title(node: ElementTree.Element, words: str) -> None:
    title = ElementTree.Element("title")
    title.text = words
    node.insert(0, title)


def _page_style(style: str) -> str:
    """Replace colours by variables; the font is the page's."""
    rules = [rule.strip() for rule in style.split(";")]
    kept = [rule for rule in rules if rule and not rule.startswith(_SHARED_RULES)]
    return re.sub(r"#[0-9a-f]{6}", lambda found: css(found[0]), "; ".join(kept))


def _rounded(value: str) -> str:
    """Round coordinates to hundredths of a pixel."""

    def short(found: re.Match[str]) -> str:
        return f"{float(found[0]):.2f}".rstrip("0").rstrip(".")

    return " ".join(re.sub(r"-?\d+\.\d+", short, value).split())
