import base64
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.report.svg import (
    Scale,
    element,
    picture,
    png_data_uri,
    polyline,
    standalone,
    text,
)


def test_attributes_and_text_are_escaped():
    assert element("a", "x", class_="b", font_size=1.5) == '<a class="b" font-size="1.5">x</a>'
    root = ElementTree.fromstring(text(0, 1, "<&>", title='"'))
    assert (root.text, root.get("title")) == ("<&>", '"')


def test_picture_is_xml():
    root = ElementTree.fromstring(picture(10, 20, [text(0, 0, "好")], "what <it> shows"))
    assert root.get("viewBox") == "0 0 10 20"


def test_a_file_of_its_own_keeps_size_and_label():
    drawing = picture(10, 20, [text(0, 0, "a > b")], 'what "it" > shows')
    root = ElementTree.fromstring(standalone(drawing))
    space = "{http://www.w3.org/2000/svg}"
    assert (root.tag, root.get("width"), root.get("height")) == (f"{space}svg", "10", "20")
    assert root.get("aria-label") == 'what "it" > shows'
    assert [node.text for node in root.iter(f"{space}text")] == ["a > b"]
    assert "--ink:" in root.find(f"{space}style").text


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_and_within(low, span):
    scale = Scale(low, low + span, 0, 100)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 11
    assert all(-1e-3 <= scale(tick) <= 100 + 1e-3 for tick in ticks)


@pytest.mark.parametrize("values", [[], [3.0], [0.0], [2.0, 2.0], [-1.0, 5.0]])
def test_scale_holds_its_values(values):
    scale = Scale.around(values, 0, 10)
    assert scale.high > scale.low
    around_zero = Scale.around(values, 0, 10, include=(0.0,))
    assert around_zero.low < around_zero.high
    assert all(0 <= scale(value) <= 10 for value in values)


def test_missing_values_break_a_line():
    path = ElementTree.fromstring(polyline([(0, 1), (1, 2), (2, None), (3, 4)])).get("d")
    assert path.count("M") == 2


def test_png_holds_the_values():
    values = np.array([[0.0, 1.0, 0.5], [1.0, 0.0, 0.5]])
    data = base64.b64decode(png_data_uri(values).removeprefix("data:image/png;base64,"))
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    start = data.index(b"IDAT")
    length = int.from_bytes(data[start - 4 : start], "big")
    rows = zlib.decompress(data[start + 4 : start + 4 + length])
    assert rows == bytes([0, 0, 255, 128, 0, 255, 0, 128])


def test_png_of_equal_values():
    assert png_data_uri(np.ones((2, 2))).startswith("data:image/png")
