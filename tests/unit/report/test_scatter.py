import pytest
from drawings import tooltips, words

from speechmoe_espnet.report.labels import looks
from speechmoe_espnet.report.palette import SERIES
from speechmoe_espnet.report.scatter import CostPoint, rate_scatter, syllable_scatter

POINTS = {
    "static": CostPoint(0.5, 20.0, 1.5, "static: 20.00 %"),
    "moe": CostPoint(5.0, 18.0, None, "moe: 18.00 %"),
}
STYLES = looks(list(POINTS), "static")


def markers(figure):
    return {
        line.get_gid().removeprefix("hint "): line
        for line in figure.axes[0].lines
        if line.get_gid()
    }


def test_points_lie_at_cost_and_rate_with_bars_of_one_deviation():
    figure = rate_scatter(POINTS, STYLES, ("MFLOPs", "in %"), "CER")
    drawn = markers(figure)
    assert drawn["static: 20.00 %"].get_xydata().tolist() == [[0.5, 20.0]]
    assert drawn["moe: 18.00 %"].get_xydata().tolist() == [[5.0, 18.0]]
    (bar,) = [segment for item in figure.axes[0].collections for segment in item.get_segments()]
    assert bar[:, 1].tolist() == [18.5, 21.5]
    assert {"static", "moe", "CER", "MFLOPs", "in %"} <= set(words(figure))


def test_sizes_are_on_a_logarithmic_axis():
    figure = rate_scatter(POINTS, STYLES, ("all parameters", "in %"), "CER", logarithmic=True)
    assert figure.axes[0].get_xscale() == "log"
    assert {"0.5 M", "1 M", "2 M", "5 M"} <= set(words(figure))


def test_one_point_alone():
    points = {"moe": POINTS["moe"]}
    assert "moe" in words(rate_scatter(points, STYLES, ("x", "y"), "CER"))


def test_labels_lie_within_the_figure_and_apart():
    names = [f"system{index}" for index in range(6)]
    points = {name: CostPoint(1.0 + 0.01 * i, 20.0, 0.2, name) for i, name in enumerate(names)}
    figure = rate_scatter(points, looks(names, None), ("x", "y"), "CER")
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text() in names]
    width, height = figure.bbox.size
    for index, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.x1 <= width
        assert 0 <= box.y0 < box.y1 <= height
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])


def test_syllables_against_characters():
    points = {"read": [("a", 8.0, 20.0), ("b", 6.0, 15.0)], "chat": [("a", 0.0, 0.0)]}
    figure = syllable_scatter(points, {"a": SERIES[0], "b": SERIES[1]})
    assert tooltips(figure) == [
        "read, a: SER 8.00 %, CER 20.00 %",
        "read, b: SER 6.00 %, CER 15.00 %",
        "chat, a: SER 0.00 %, CER 0.00 %",
    ]
    assert markers(figure)["read, b: SER 6.00 %, CER 15.00 %"].get_color() == SERIES[1]
    sides = {text.get_text(): text.get_ha() for text in figure.axes[0].texts}
    assert (sides["read"], sides["chat"]) == ("right", "left")
    assert figure.axes[0].get_xlim() == pytest.approx((0, 8.4))
