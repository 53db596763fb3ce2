import re

from speechmoe_espnet.report.palette import COLOURS, SERIES, css


def test_each_light_value_names_one_colour():
    light = COLOURS.split("@media")[0]
    values = re.findall(r"#[0-9a-f]{6}", light)
    assert len(values) == len(set(values)) > 15


def test_named_colours_become_variables_and_others_stay():
    assert css(SERIES[0]) == "var(--c0)"
    assert css("#123456") == "#123456"
