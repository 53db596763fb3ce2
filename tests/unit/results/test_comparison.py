import copy
import json
import math

import pytest

from speechmoe_espnet.report.text_table import MAX_COLUMNS, text_table
from speechmoe_espnet.results.comparison import (
    Provenance,
    build_results,
    commit_note,
    compare,
    curves,
)
from speechmoe_espnet.results.validation import validate_results


@pytest.fixture(scope="module")
def results(systems):
    return build_results(systems, compare(*systems[1:], seed=7), Provenance(7, seconds_total=9.5))


def test_results_are_valid(results, systems):
    assert list(results["systems"]) == ["static", "control", "speechmoe"]
    moe = results["systems"]["speechmoe"]
    assert moe["params_total"] > moe["params_active"]
    assert list(moe["sets"]) == list(results["relative_change"]) == list(systems[0].sets)
    assert set(moe["sets"]["read"]) == {"cer", "num_utts", "num_chars", "sub", "del", "ins"}
    assert len(moe["expert_load"]["read"]) == 4
    assert results["systems"]["static"]["expert_load"] == {}
    assert json.loads(json.dumps(results, allow_nan=False)) == results


def test_relative_change_is_that_of_the_rates(results):
    control, moe = (results["systems"][name] for name in ("control", "speechmoe"))
    for name, change in results["relative_change"].items():
        rates = control["sets"][name]["cer"], moe["sets"][name]["cer"]
        assert change["mean"] == pytest.approx((rates[0] - rates[1]) / rates[0])
        assert change["low"] <= change["mean"] <= change["high"]
    rates = control["total"]["cer"], moe["total"]["cer"]
    assert results["relative_change_total"]["mean"] == pytest.approx(1 - rates[1] / rates[0])


def test_a_single_system_has_no_comparison(systems):
    results = build_results(systems[:1], None, Provenance(0))
    assert results["relative_change"] == {}
    assert results["seconds_total"] is None
    assert "verdict" not in text_table(results)


def test_intervals_are_shown_where_asked_for(results):
    found = results["systems"]["speechmoe"]["cer_interval"]["read"]
    shown = f"[{found['low']:.1f}, {found['high']:.1f}]"
    assert shown in text_table(results, intervals=True)
    assert shown not in text_table(results)


def test_waiting_for_data_is_shown_where_it_was_recorded(results):
    assert results["systems"]["static"]["share_waiting"] == pytest.approx(0.005)
    (line,) = (x for x in text_table(results).splitlines() if "waiting for data" in x)
    assert line.split()[-6:] == ["0.5", "%"] * 3
    unknown = changed(results, ["systems", "control", "share_waiting"], None)
    validate_results(unknown)
    (line,) = (x for x in text_table(unknown).splitlines() if "waiting for data" in x)
    assert line.split()[-5:] == ["0.5", "%", "-", "0.5", "%"]


def test_curves_have_no_nan(systems):
    curve = curves(systems[0])
    assert curve["steps"] == [250 * epoch for epoch in range(1, 9)]
    assert curve["train"]["loss"][2] is None
    assert all(math.isfinite(value) for value in curve["valid"]["loss"])
    assert "forward_time" not in curve["train"]
    assert "loss_att" not in curve["valid"]


def changed(results, path, value):
    result = copy.deepcopy(results)
    place = result
    for key in path[:-1]:
        place = place[key]
    if value is KeyError:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return result


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (["systems"], {}, "systems is empty"),
        (["systems"], [], "systems must be an object"),
        (["systems", "static", "rtf"], KeyError, "systems.static.rtf must be a finite number"),
        (["systems", "static", "params_total"], 0, "params_total is too small: 0"),
        (["systems", "static", "steps"], True, "steps must be a finite number, got True"),
        (["systems", "static", "share_waiting"], "1 %", "share_waiting must be a finite number"),
        (["systems", "control", "sets", "chat"], KeyError, "systems.control.sets are"),
        (["systems", "static", "total"], KeyError, "systems.static.total must have the keys"),
        (["systems", "static", "sets", "read", "del"], KeyError, "static.read must have the keys"),
        (["systems", "static", "sets", "read", "cer"], 1.0, "static.read.cer is 1.0"),
        (["systems", "static", "curves"], KeyError, "curves must be an object"),
        (["relative_change", "read"], KeyError, "relative_change has"),
        (["relative_change", "read", "mean"], math.nan, "relative_change.read.mean"),
        (["relative_change", "read", "low"], 2.0, "low 2.0 is above high"),
        (["relative_change_total"], None, "relative_change_total must be an object"),
        (["seed"], None, "seed must be a finite number"),
        (["seconds_total"], "9", "seconds_total must be a finite number"),
        (["versions"], KeyError, "versions must be an object"),
        (["commit"], None, "commit must be text"),
        (["systems", "static", "commit"], KeyError, "systems.static.commit must be text"),
    ],
)
def test_validation_names_the_place(results, path, value, words):
    validate_results(results)
    with pytest.raises(ValueError, match=words):
        validate_results(changed(results, path, value))


def commits(results, report, **systems):
    result = changed(results, ["commit"], report)
    for name in result["systems"]:
        result["systems"][name]["commit"] = systems.get(name, report)
    return result


def test_other_commits_are_noted(results):
    one = "1" * 40
    assert commit_note(commits(results, one)) == ""
    assert commit_note(commits(results, one, static="unknown")) == ""
    assert "Note" not in text_table(commits(results, one))
    other = commits(results, one, control=f"{'2' * 40}-dirty")
    assert commit_note(other) == (
        "made by different commits: static, speechmoe, this report by 111111111111; control "
        "by 222222222222-dirty"
    )
    table = text_table(other)
    assert "Note: made by different commits" in table
    assert max(map(len, table.splitlines())) <= MAX_COLUMNS
    assert commit_note(commits(results, "unknown", static=one, control=one)) == ""
    assert commit_note(commits(results, one, static=f"{one}-dirty")) != ""


def test_table_is_narrow_whatever_the_number_of_systems(results):
    many = copy.deepcopy(results)
    for index in range(12):
        many["systems"][f"another_system_{index}"] = results["systems"]["static"]
    for table in (text_table(results), text_table(many)):
        assert max(map(len, table.splitlines())) <= MAX_COLUMNS
        assert all(name in table for name in ("read", "chat", "spon", "aishell2", "total"))
    assert all(name in text_table(many) for name in many["systems"])


@pytest.fixture(scope="module")
def decoded(decoded_systems):
    return build_results(decoded_systems, None, Provenance(7))


def test_results_without_units_and_settings(results):
    assert all(system["ser"] is None for system in results["systems"].values())
    assert all(system["decoding"] is None for system in results["systems"].values())
    table = text_table(results)
    assert "SER" not in table
    assert "Decoding" not in table


def test_older_results_without_units_and_settings_are_valid(results):
    older = copy.deepcopy(results)
    for system in older["systems"].values():
        del system["ser"], system["decoding"]
    validate_results(older)
    assert text_table(older) == text_table(results)


def test_units_have_counts_by_set_and_total(decoded, decoded_systems):
    ser = decoded["systems"]["wfst"]["ser"]
    assert list(ser) == ["read", "chat", "total"]
    assert ser["chat"] == decoded_systems[2].sets["chat"].syllable_counts.to_dict()
    assert set(ser["total"]) == {"cer", "num_utts", "num_chars", "sub", "del", "ins"}
    assert decoded["systems"]["greedy"]["ser"] is decoded["systems"]["old"]["ser"] is None


def rows_of(table, title):
    """Return the cells of each line of a section, without its ruler."""
    lines = table.split(f"{title}\n", 1)[1].split("\n\n", 1)[0].splitlines()
    return [line.split() for line in lines if not line.startswith("---")]


def test_table_shows_units(decoded):
    head, read, _, total = rows_of(text_table(decoded), "SER in % (syllables and phones)")
    assert head == ["set", "utts", "units", "greedy", "old", "wfst", "tuned"]
    assert read[:2] == ["read", "10"]
    assert read[3:5] == total[3:5] == ["-", "-"]
    for cell, name in zip(total[5:], ("wfst", "tuned"), strict=True):
        assert cell == f"{decoded['systems'][name]['ser']['total']['cer']:.2f}"


def test_table_shows_settings_of_decoding(decoded):
    assert decoded["systems"]["tuned"]["decoding"] == {
        "method": "wfst",
        "lm_weight": 0.85,
        "insertion_bonus": 0.5,
        "origin": "tuned on dev",
        "nn_lm_weight": None,
    }
    _, method, weight, bonus, origin = rows_of(text_table(decoded), "Decoding")
    assert method == ["method", "ctc_greedy", "-", "wfst", "wfst"]
    assert weight == ["lm_weight", "-", "-", "0.7", "0.85"]
    assert bonus == ["insertion_bonus", "-", "-", "0", "0.5"]
    assert " ".join(origin) == "these weights - - as configured tuned on dev"


def test_table_with_units_and_settings_is_narrow(decoded):
    many = copy.deepcopy(decoded)
    for index in range(12):
        many["systems"][f"another_system_{index}"] = decoded["systems"]["tuned"]
    table = text_table(many)
    assert max(map(len, table.splitlines())) <= MAX_COLUMNS
    assert table.count("another_system_11") == 4


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (["ser"], [], "systems.wfst.ser must be an object"),
        (["ser", "chat"], KeyError, r"wfst.ser has \['read', 'total'\], expected"),
        (["ser", "chat", "sub"], KeyError, "wfst.ser.chat must have the keys"),
        (["ser", "chat", "cer"], 1.0, "wfst.ser.chat.cer is 1.0"),
        (["ser", "total", "num_utts"], 21, "wfst.ser.total.num_utts is 21, its sets have 20"),
        (["decoding"], "wfst", "systems.wfst.decoding must be an object"),
        (["decoding", "origin"], KeyError, "wfst.decoding must have the keys"),
        (["decoding", "method"], None, "wfst.decoding.method must be text"),
        (["decoding", "lm_weight"], "1", "wfst.decoding.lm_weight must be a finite number"),
        (["decoding", "lm_weight"], None, "belong together"),
    ],
)
def test_validation_of_units_and_settings_names_the_place(decoded, path, value, words):
    validate_results(decoded)
    with pytest.raises(ValueError, match=words):
        validate_results(changed(decoded, ["systems", "wfst", *path], value))
