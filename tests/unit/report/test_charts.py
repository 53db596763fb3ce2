import pytest
from drawings import tooltips, words

from speechmoe_espnet.report.charts import Change, error_bars, forest_plot, strip_plot
from speechmoe_espnet.report.palette import ERROR_KINDS, SERIES, VERDICTS
from speechmoe_espnet.scoring.bootstrap import Interval
from speechmoe_espnet.scoring.cer import Counts


def interval(mean, low, high):
    return Interval(mean, low, high)


CHANGES = {
    "read": Change(interval(0.05, 0.01, 0.09)),
    "chat": Change(interval(-0.02, -0.08, 0.04), mark=" *"),
    "total": Change(interval(-0.2, -0.4, -0.1), bold=True),
}
SIDES = ("static better", "moe better")


def lines(figure):
    return figure.axes[0].lines


def test_intervals_are_drawn_where_they_lie_in_the_colour_of_their_verdict():
    figure = forest_plot({"": CHANGES}, SIDES)
    bars = [line for line in lines(figure) if line.get_linewidth() == 3]
    assert [list(line.get_xdata()) for line in bars] == [
        pytest.approx([1, 9]),
        pytest.approx([-8, 4]),
        pytest.approx([-40, -10]),
    ]
    assert [line.get_color() for line in bars] == [
        *(VERDICTS["better"], VERDICTS["no difference shown"], VERDICTS["worse"])
    ]
    points = [line for line in lines(figure) if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in points] == pytest.approx([5, -2, -20])
    low, high = figure.axes[0].get_xlim()
    assert low < -40
    assert high == -low


def test_each_row_says_its_figures_and_the_axis_what_is_better():
    shown = words(forest_plot({"": CHANGES}, SIDES))
    assert "+5.0 %  [+1.0, +9.0]" in shown
    assert "-2.0 %  [-8.0, +4.0] *" in shown
    assert [name for name in shown if name in CHANGES] == list(CHANGES)
    assert "← static better  |  moe better →" in shown
    names = forest_plot({"": CHANGES}, SIDES).axes[0].get_yticklabels()
    assert [name.get_text() for name in names if name.get_fontweight() == "bold"] == ["total"]


def test_long_names_of_sides_stand_below_each_other():
    shown = words(forest_plot({"": CHANGES}, ("x" * 40, "y" * 40)))
    assert {"← " + "x" * 40, "y" * 40 + " →"} <= set(shown)


def test_groups_have_headings_and_intervals_that_leave_the_axis_arrows():
    figure = forest_plot({"read": CHANGES, "chat": CHANGES}, SIDES, (-10.0, 5.0))
    assert [line.get_marker() for line in lines(figure)].count("<") == 2
    assert [line.get_marker() for line in lines(figure)].count(">") == 2
    bars = [list(line.get_xdata()) for line in lines(figure) if line.get_linewidth() == 3]
    assert min(map(min, bars)) == -10
    assert max(map(max, bars)) == 5
    places = [text.get_position()[1] for text in figure.axes[0].texts if text.get_text() == "chat"]
    assert len(places) == 1


def test_kinds_of_errors_are_stacked_in_percent():
    counts = {"read": {"moe": Counts(10, 200, 20, 6, 2), "static": Counts(10, 200, 40, 0, 0)}}
    figure = error_bars(counts)
    bars = figure.axes[0].patches
    assert [bar.get_width() for bar in bars] == pytest.approx([10, 3, 1, 20, 0, 0])
    assert [bar.get_x() for bar in bars[:3]] == pytest.approx([0, 10, 13])
    assert "read, moe, deleted: 6 (3.00 %)" in tooltips(figure)
    assert {"14.0", "20.0", "moe", "static", "read"} <= set(words(figure))
    assert len(set(ERROR_KINDS.values())) == 3


def test_no_errors_can_be_drawn():
    assert "0.0" in words(error_bars({"read": {"moe": Counts(10, 200, 0, 0, 0)}}))
    assert words(strip_plot({"read": {"moe": {"s": 0.0}}}, {"moe": SERIES[0]}))


def test_a_dot_a_speaker():
    rates = {"read": {"moe": {"s1": 3.5, "s2": 8.25}}, "chat": {"moe": {"s3": 12.0}}}
    figure = strip_plot(rates, {"moe": SERIES[1]})
    assert [list(line.get_xdata()) for line in lines(figure)] == [[3.5, 8.25], [12.0]]
    assert {line.get_color() for line in lines(figure)} == {SERIES[1]}
    assert tooltips(figure) == [
        *("read, moe, s1: 3.50 %", "read, moe, s2: 8.25 %"),
        "chat, moe, s3: 12.00 %",
    ]
