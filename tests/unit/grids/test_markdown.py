from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.grids.markdown import (
    change_table,
    headline,
    replace_section,
    settings_table,
    table,
    tables,
)
from speechmoe_espnet.grids.summary import summarize
from speechmoe_espnet.results.comparison import Provenance

COMMAND = "python -m speechmoe_espnet.bin.grid grid.yaml"
BEGIN, END = "<!-- begin generated: main -->", "<!-- end generated: main -->"
LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r")), max_size=4)


@pytest.fixture(scope="module")
def provenance():
    return Provenance(
        seed=0,
        meta={"command": COMMAND},
        machine={"cpu_count": 2, "architecture": "x86_64", "system": "Linux"},
    )


def test_each_table_says_how_it_came_about(summary, provenance):
    text = tables(summary, provenance)
    flat = " ".join(text.split())
    count = sum(line.startswith("|---") for line in text.splitlines())
    assert count == 5
    assert flat.count(f"ommand `{COMMAND}`") == count
    assert flat.count("commit unknown; machine Linux x86_64, 2 CPUs; seeds 1, 2, 3.") == count
    assert all(len(line) <= 110 for line in text.splitlines() if not line.startswith("|"))


def test_cells_are_those_of_the_summary(summary, provenance):
    rate = summary.systems["moe8"].rates["read"]
    assert f"| {rate.mean:.2f} ± {rate.deviation:.2f} |" in tables(summary, provenance)
    interval = summary.systems["moe8"].changes["total"].interval
    row = change_table(summary).splitlines()[-1]
    assert row.startswith("| moe8 |")
    assert f"**{100 * interval.mean:+.1f}** [{100 * interval.low:+.1f}, " in row
    assert "`encoder_conf.router: speechmoe`" in tables(summary, provenance)


def test_the_headline_is_one_table_with_what_is_saved(summary, provenance):
    text = headline(summary, provenance, "results/grid.md")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert lines[0] == f"| system | {' | '.join(summary.places)} | saved |"
    assert sum(line.startswith("|---") for line in lines) == 1
    rate = summary.systems["moe8"].rates["total"]
    saved = change_table(summary).splitlines()[-1].rsplit(" | ", 1)[1]
    assert lines[-1].endswith(f"| {rate.mean:.2f} ± {rate.deviation:.2f} | {saved}")
    assert lines[2].startswith("| static |")
    assert lines[2].endswith("|  |")
    assert f"ommand `{COMMAND}`" in " ".join(text.split())
    assert text.endswith("(results/grid.md).\n")
    assert "settings: " not in text


def test_a_headline_without_a_control_saves_nothing(finished_runs, provenance):
    text = headline(summarize(finished_runs, num_resamples=10), provenance, "x.md")
    assert "aved" not in text


def test_single_seeds_and_uneven_seeds(finished_runs, provenance):
    single = summarize([run for run in finished_runs if run.seed == 1], "static", num_resamples=50)
    assert "\\* |" in change_table(single)
    assert "asterisk" in tables(single, provenance)
    assert "±" not in tables(single, provenance).replace("± standard", "")
    uneven = summarize(finished_runs[:-1], num_resamples=50)
    flat = " ".join(tables(uneven, provenance).split())
    assert "seeds 1, 2, 3 (static, wide, moe4), 1, 2 (moe8)." in flat
    assert "saved" not in flat


def with_settings(run, **settings):
    return replace(run, settings={**run.settings, **settings})


def test_settings_of_all_systems_stand_once(finished_runs):
    runs = [with_settings(run, max_epoch=6) for run in finished_runs]
    lines = settings_table(summarize(runs, num_resamples=10)).splitlines()[2:]
    assert lines == [
        "| all systems | `max_epoch: 6` |",
        "| static | `encoder_conf.num_experts: 1` |",
        "| wide | `encoder_conf.num_experts: 1`, `encoder_conf.linear_units: 512` |",
        "| moe4 | `encoder_conf.num_experts: 4` |",
        "| moe8 | `encoder_conf.num_experts: 8`, `encoder_conf.router: speechmoe` |",
    ]


def test_settings_of_one_system_and_of_none(finished_runs):
    alone = [run for run in finished_runs if run.system == "wide"]
    assert settings_table(summarize(alone, num_resamples=10)).splitlines()[2:] == [
        "| wide | `encoder_conf.num_experts: 1`, `encoder_conf.linear_units: 512` |"
    ]
    bare = [replace(run, settings={}) for run in finished_runs]
    assert settings_table(summarize(bare, num_resamples=10)) == ""


def test_a_table_escapes():
    assert table(["a"], [["b|c"]]) == "| a |\n|---|\n| b\\|c |\n"


def is_marker(line):
    return line.strip() in (BEGIN, END)


@given(LINES, LINES, LINES, LINES)
def test_only_the_section_changes(before, old, after, new):
    text = "\n".join([*before, BEGIN, *old, END, *after])
    if any(map(is_marker, (*before, *old, *after, *new))):
        return
    markdown = "\n".join(new)
    replaced = replace_section(text, "main", markdown)
    assert replaced.startswith("\n".join([*before, BEGIN]))
    assert replaced.endswith("\n".join([END, *after]))
    inside = replaced[len("\n".join([*before, BEGIN])) : -len("\n".join([END, *after]))]
    assert inside.strip("\n") == markdown.strip("\n")
    assert replace_section(replaced, "main", markdown) == replaced


def test_other_sections_stay():
    other = "<!-- begin generated: other -->\nx\n<!-- end generated: other -->\n"
    assert replace_section(f"{other}{BEGIN}\n{END}\n", "main", "y") == (
        f"{other}{BEGIN}\n\ny\n\n{END}\n"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected one line <!-- begin generated: main -->, found 0"),
        (f"{BEGIN}\n", "expected one line <!-- end generated: main -->, found 0"),
        (f"{BEGIN}\n{BEGIN}\n{END}", "expected one line <!-- begin .* found 2"),
        (f"{BEGIN}\n{END}\n{END}", "expected one line <!-- end .* found 2"),
        (f"x\n{END}\n{BEGIN}\n", "stands in line 2, before .* in line 3"),
        (f"`{BEGIN}`\n{END}", "found 0"),
    ],
)
def test_bad_markers(text, message):
    with pytest.raises(ValueError, match=message):
        replace_section(text, "main", "new")


def test_markers_in_the_new_text():
    with pytest.raises(ValueError, match="the new text holds the marker"):
        replace_section(f"{BEGIN}\n{END}", "main", f"a\n{END}\n")
