import numpy as np
import pytest
from drawings import tooltips, words

from speechmoe_espnet.report.curves import Curves, Series, curve_panels, line_chart, mean_curves
from speechmoe_espnet.report.labels import looks
from speechmoe_espnet.report.palette import SERIES


def test_missing_values_break_a_line():
    series = Series("moe, train", SERIES[0], [1, 2, 3], [4.0, None, 6.0], dashed=True)
    figure = line_chart("CTC loss", [series], "step")
    line, dots = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_ydata(), [4.0, np.nan, 6.0])
    assert line.is_dashed()
    assert list(dots.get_xdata()) == [1, 3]
    assert tooltips(figure) == ["moe, train, step 1: 4", "moe, train, step 3: 6"]
    assert {"CTC loss", "step"} <= set(words(figure))


def make_curves(names=("static", "moe")):
    styles = looks(names, "static")
    found = {}
    for index, name in enumerate(names):
        runs = [[(100.0 * e, 50 / e + index + seed) for e in range(1, 11)] for seed in (0, 1)]
        found[name] = Curves(styles[name], runs, [(x, y + 0.5) for x, y in runs[0]])
    return found


def test_a_line_a_seed_and_a_mean_with_its_name_at_the_end():
    figure = mean_curves("Loss", make_curves(), 0.4)
    assert tooltips(figure).count("moe, one seed") == 2
    assert "moe, mean of 2 seeds: 6.5 at the end" in tooltips(figure)
    assert {"static", "moe", "Loss"} <= set(words(figure))


def test_the_axis_holds_what_lies_behind_the_start():
    low, high = mean_curves("Loss", make_curves(), 0.4).axes[0].get_ylim()
    assert 4 < low < 5
    assert 50 / 4 + 2 < high < 50 / 3 + 2


def test_names_at_the_ends_do_not_overlap():
    names = [f"system{index}" for index in range(12)]
    figure = mean_curves("Loss", make_curves(names), 0.4)
    places = sorted(
        text.get_position()[1] for text in figure.axes[0].texts if text.get_text() in names
    )
    assert len(places) == 12
    assert np.diff(places).min() * figure.axes[0].get_window_extent().height > 14


def test_panels_share_a_legend():
    curves = make_curves()
    means = {name: item.mean for name, item in curves.items()}
    styles = {name: item.look for name, item in curves.items()}
    figure = curve_panels({"load": means, "confidence": {"moe": means["moe"]}}, styles, "routers")
    assert [len(axes.lines) for axes in figure.axes] == [2, 1]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["static", "moe"]
    assert "moe, confidence: 6.500 at the end" in tooltips(figure)
    assert figure.axes[0].get_xlim() == pytest.approx((0, 1000))
