import re
import warnings
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from drawings import tooltips, words

from speechmoe_espnet.report.figure import (
    hint,
    hints,
    inline_svg,
    new_figure,
    pixel_axes,
    standalone_svg,
    styled,
)
from speechmoe_espnet.report.palette import COLOURS, INK, SERIES

SPACE = "{http://www.w3.org/2000/svg}"


@styled
def draw(title="错误率 <&>", label='what "it" > shows'):
    figure = new_figure(300, 200, label)
    axes = pixel_axes(figure, 40, 30, 250, 140)
    (line,) = axes.plot([0, 1, 2], [1, 3, 2], color=SERIES[0])
    hint(line, "a <line>")
    (dots,) = axes.plot([0, 1, 2], [1, 3, 2], "o", color=SERIES[1], alpha=0.5)
    hints(dots, ["one", "two", "three"])
    axes.imshow(np.arange(6.0).reshape(2, 3), extent=(0, 2, 0, 4), aspect="auto")
    axes.set_title(title)
    return figure


def test_text_stays_text_and_is_escaped():
    assert "错误率 <&>" in words(draw())
    assert "&lt;&amp;&gt;" in inline_svg(draw())
    assert "font-family" not in inline_svg(draw())


def test_text_without_a_glyph_in_matplotlibs_font_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inline_svg(draw())


def test_it_is_an_image_with_a_label_and_its_size_in_pixels():
    root = ElementTree.fromstring(inline_svg(draw()))
    assert (root.tag, root.get("role")) == ("svg", "img")
    assert root.get("aria-label") == 'what "it" > shows'
    assert (root.get("width"), root.get("height"), root.get("viewBox")) == (
        *("300", "200"),
        "0 0 300 200",
    )


def test_pixel_axes_lie_where_they_are_told_to():
    figure = draw()
    left, bottom, right, top = figure.axes[0].get_window_extent().extents
    assert [left, right, 200 - top, 200 - bottom] == pytest.approx([40, 290, 30, 170])


def test_colours_are_variables_that_both_modes_define():
    svg = inline_svg(draw())
    used = set(re.findall(r"var\(--([\w-]+)\)", svg))
    assert {"c0", "c1", "ink", "rule", "faint"} <= used
    light, dark = COLOURS.split("@media (prefers-color-scheme: dark)")
    assert all(f"--{name}:" in light and f"--{name}:" in dark for name in used)
    assert INK not in svg


def test_tooltips_of_artists_and_of_single_points():
    assert tooltips(draw()) == ["a <line>", "one", "two", "three"]
    root = ElementTree.fromstring(inline_svg(draw()))
    assert [
        node.find("title").text for node in root.iter("use") if node.find("title") is not None
    ] == [
        "one",
        "two",
        "three",
    ]


def test_points_without_a_tooltip_are_an_error():
    figure = draw()
    hints(figure.axes[0].lines[1], ["one", "two"])
    with pytest.raises(ValueError, match="zip"):
        inline_svg(figure)


def test_nothing_is_requested_from_anywhere():
    svg = inline_svg(draw())
    assert not re.search(r"https?:|<!DOCTYPE|<metadata|<style|url\((?!#)", svg)
    links = re.findall(r'href="([^"]*)"', svg)
    assert any(link.startswith("data:image/png;base64,") for link in links)
    assert all(link.startswith(("#", "data:")) for link in links)


def test_ids_are_those_that_are_referred_to_and_differ_between_charts():
    def ids(svg):
        return set(re.findall(r'id="([^"]*)"', svg))

    first, second = inline_svg(draw()), inline_svg(draw(title="other"))
    targets = set(re.findall(r'href="#([^"]*)"', first)) | set(re.findall(r"url\(#(.*?)\)", first))
    assert targets
    assert ids(first) == targets
    assert not ids(first) & ids(second)


def test_the_same_figure_gives_the_same_bytes():
    assert inline_svg(draw()) == inline_svg(draw())
    assert standalone_svg(draw()) == standalone_svg(draw())


def test_a_style_set_around_it_changes_nothing_and_is_left_alone():
    before = inline_svg(draw())
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "lines.linewidth": 9}):
        assert inline_svg(draw()) == before
        assert mpl.rcParams["font.size"] == 30
    assert mpl.rcParams["svg.hashsalt"] is None


def test_a_file_of_its_own_keeps_size_and_label():
    root = ElementTree.fromstring(standalone_svg(draw()))
    assert (root.tag, root.get("width"), root.get("height")) == (f"{SPACE}svg", "300", "200")
    assert root.get("aria-label") == 'what "it" > shows'
    assert "错误率 <&>" in [node.text for node in root.iter(f"{SPACE}text")]
    style = root.find(f"{SPACE}style").text
    assert "--ink:" in style
    assert "prefers-color-scheme: dark" in style
    assert root.find(f"{SPACE}rect").get("style") == "fill: var(--paper)"
