import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from drawings import words

from speechmoe_espnet.grids import pictures
from speechmoe_espnet.grids.grid_page import PICTURES
from speechmoe_espnet.grids.summary import summarize
from speechmoe_espnet.report.svg import standalone


@pytest.mark.parametrize("name", PICTURES)
def test_files_are_whole_and_have_their_colours(summary, name):
    root = ET.fromstring(standalone(PICTURES[name](summary)))
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{space}svg"
    style = root.find(f"{space}style").text
    used = set(re.findall(r"var\((--[\w-]+)\)", standalone(PICTURES[name](summary))))
    assert used
    assert all(f"{colour}:" in style for colour in used)
    assert "prefers-color-scheme: dark" in style


@pytest.mark.parametrize("name", PICTURES)
def test_everything_lies_within_the_picture(summary, name):
    root = ET.fromstring(PICTURES[name](summary))
    width, height = float(root.get("width")), float(root.get("height"))
    for node in root.iter("text"):
        length = 6.5 * len(node.text) * {"middle": 0.5, "end": 0}.get(node.get("text-anchor"), 1)
        assert 0 <= float(node.get("x")) <= width - length + 1, node.text
        assert 0 <= float(node.get("y")) <= height, node.text


def test_bars_are_deviations(summary):
    root = ET.fromstring(pictures.rate_against_flops(summary))
    markers = {node.text.split(":")[0]: parent for parent in root for node in parent.iter("title")}
    low_rate = summary.systems["moe8"].rates["total"]
    high_rate = summary.systems["static"].rates["total"]
    assert low_rate.mean < high_rate.mean
    assert float(markers["moe8"].get("cy")) > float(markers["static"].get("cy"))
    assert float(markers["wide"].get("cx")) > float(markers["moe8"].get("cx"))
    per_percent = (float(markers["moe8"].get("cy")) - float(markers["static"].get("cy"))) / (
        high_rate.mean - low_rate.mean
    )
    bar = next(
        node
        for node in root.iter("line")
        if node.get("stroke") == "var(--c2)" and node.get("x1") == node.get("x2")
    )
    length = float(bar.get("y1")) - float(bar.get("y2"))
    assert length == pytest.approx(2 * high_rate.deviation * per_percent, abs=0.1)


def test_sizes_are_on_a_logarithmic_axis(summary):
    root = ET.fromstring(pictures.rate_against_parameters(summary))
    place = {
        parent.find("title").text.split(":")[0]: float(parent.get("cx"))
        for parent in root
        if parent.find("title") is not None
    }
    assert place["wide"] == pytest.approx(place["moe4"], abs=0.1)
    assert place["wide"] < place["moe8"]
    assert "1 M" in words(pictures.rate_against_parameters(summary))


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
    arrows = ET.fromstring(pictures.change_picture(replace(summary, systems=systems)))
    assert len(list(arrows.iter("polygon"))) == 6


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
