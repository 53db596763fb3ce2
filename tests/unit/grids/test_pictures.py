from dataclasses import replace

import pytest
from drawings import tooltips, words
from matplotlib.colors import to_rgba

from speechmoe_espnet.grids import pictures
from speechmoe_espnet.grids.grid_page import PICTURES
from speechmoe_espnet.grids.summary import summarize
from speechmoe_espnet.report.palette import SERIES


def points(figure):
    return {
        line.get_gid().removeprefix("hint ").split(":")[0]: line
        for line in figure.axes[0].lines
        if line.get_gid()
    }


@pytest.mark.parametrize("name", PICTURES)
def test_everything_lies_within_the_picture(summary, name):
    figure = PICTURES[name](summary)
    figure.draw_without_rendering()
    width, height = figure.bbox.size
    shown = [text for axes in figure.axes for text in axes.texts]
    for axes in figure.axes:
        low, high = axes.get_xlim()
        ticks = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
        shown += [text for place, text in ticks if low <= place <= high]
    assert shown
    for text in shown:
        box = text.get_window_extent()
        assert 0 <= box.x0 <= box.x1 <= width, text.get_text()
        assert 0 <= box.y0 <= box.y1 <= height, text.get_text()


def test_bars_are_deviations(summary):
    figure = pictures.rate_against_flops(summary)
    drawn = points(figure)
    bars = {
        tuple(item.get_color()[0]): item.get_segments()[0] for item in figure.axes[0].collections
    }
    assert len(bars) == len(summary.systems)
    for name, system in summary.systems.items():
        rate = system.rates["total"]
        assert drawn[name].get_xydata().tolist() == [[system.flops / 1e6, rate.mean]]
        bar = bars[to_rgba(drawn[name].get_color())]
        assert bar[:, 1] == pytest.approx([rate.mean - rate.deviation, rate.mean + rate.deviation])
    assert drawn["static"].get_color() == SERIES[2]
    rate = summary.systems["wide"].rates["total"]
    assert f"wide: {rate.mean:.2f} %, 3 seeds" in tooltips(figure)


def test_sizes_are_on_a_logarithmic_axis(summary):
    figure = pictures.rate_against_parameters(summary)
    place = {name: float(line.get_xdata()[0]) for name, line in points(figure).items()}
    assert figure.axes[0].get_xscale() == "log"
    assert place["wide"] == pytest.approx(place["moe4"])
    assert place["wide"] < place["moe8"]
    assert "1 M" in words(figure)


def test_no_changes_of_the_control_alone(finished_runs):
    static = [run for run in finished_runs if run.system == "static"]
    assert pictures.change_picture(summarize(static, "static", num_resamples=50)) is None


def test_changes_have_a_row_a_system_and_set(summary):
    shown = words(pictures.change_picture(summary))
    assert shown.count("moe8") == 3
    assert shown.index("total") < shown.index("read") < shown.index("chat")
    interval = summary.systems["moe8"].changes["total"].interval
    label = f"{100 * interval.mean:+.1f} %  [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"
    assert label in shown


def test_intervals_that_leave_the_axis_get_an_arrow(finished_runs):
    two = [run for run in finished_runs if run.seed < 3]
    summary = summarize(two, "static", num_resamples=200)
    system = summary.systems["wide"]
    change = system.changes["total"]
    wide = replace(change, interval=replace(change.interval, low=-5.0, high=5.0))
    systems = {
        **summary.systems,
        "wide": replace(system, changes=dict.fromkeys(system.changes, wide)),
    }
    figure = pictures.change_picture(replace(summary, systems=systems))
    arrows = [line for line in figure.axes[0].lines if line.get_marker() in ("<", ">")]
    assert len(arrows) == 6


def test_single_seeds_are_marked(finished_runs):
    single = [run for run in finished_runs if run.seed == 2]
    summary = summarize(single, "static", num_resamples=50)
    marked = [word for word in words(pictures.change_picture(summary)) if word.endswith("] *")]
    assert len(marked) == 9


def test_one_run_alone(finished_runs):
    summary = summarize(finished_runs[-1:], num_resamples=50)
    drawn = {name: draw(summary) for name, draw in PICTURES.items()}
    assert [name for name, drawing in drawn.items() if drawing is None] == ["changes"]
    assert all("moe8" in words(drawing) for drawing in drawn.values() if drawing)


def test_an_unknown_place(summary):
    with pytest.raises(ValueError, match="place must be one of read, chat, total, got 'spon'"):
        pictures.rate_against_flops(summary, "spon")
