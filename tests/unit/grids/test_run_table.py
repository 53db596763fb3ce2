import csv
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmoe_espnet.grids.run_table import (
    read_csv,
    read_json,
    run_rows,
    write_csv,
    write_json,
)

COLUMNS = [
    *("run", "system", "seed"),
    *("settings.encoder_conf.linear_units", "settings.encoder_conf.num_experts"),
    "settings.encoder_conf.router",
    *("steps", "params_total", "params_active", "flops_per_second_of_audio"),
    *("train_loss", "dev_loss", "seconds_training", "rtf"),
    *("cer.read", "errors.read", "chars.read", "cer.chat", "errors.chat", "chars.chat"),
    *("cer.total", "errors.total", "chars.total"),
    *("ser.read", "unit_errors.read", "units.read", "ser.chat", "unit_errors.chat", "units.chat"),
    *("ser.total", "unit_errors.total", "units.total"),
    "commit",
]


def test_rows(finished_runs):
    rows = run_rows(finished_runs)
    assert [row["run"] for row in rows[:4]] == ["static-s1", "static-s2", "static-s3", "wide-s1"]
    assert all(list(row) == COLUMNS for row in rows)
    run, row = finished_runs[-1], rows[-1]
    assert row["settings.encoder_conf.num_experts"] == 8
    assert row["settings.encoder_conf.linear_units"] is None
    assert row["cer.chat"] == run.outcome.sets["chat"].counts.cer
    assert row["errors.total"] == run.outcome.total.num_errors
    assert row["units.read"] == run.outcome.sets["read"].syllable_counts.num_chars
    assert (row["dev_loss"], row["rtf"]) == (run.dev_loss, run.outcome.rtf)


def test_one_set_has_no_total(finished_runs):
    run = finished_runs[0]
    alone = replace(run, outcome=replace(run.outcome, sets={"chat": run.outcome.sets["chat"]}))
    row = run_rows([alone])[0]
    assert "cer.chat" in row
    assert not [column for column in row if column.endswith(".total")]


def test_columns_do_not_depend_on_the_first_run(finished_runs):
    sets = {
        name: replace(item, syllables=None) for name, item in finished_runs[0].outcome.sets.items()
    }
    first = replace(finished_runs[0], outcome=replace(finished_runs[0].outcome, sets=sets))
    rows = run_rows([first, *finished_runs[1:]])
    assert all(list(row) == COLUMNS for row in rows)
    assert rows[0]["ser.total"] is None


@pytest.mark.parametrize(("write", "read"), [(write_csv, read_csv), (write_json, read_json)])
def test_files_are_read_back(finished_runs, tmp_path, write, read):
    rows = run_rows(finished_runs)
    write(rows, tmp_path / "runs")
    again = read(tmp_path / "runs")
    assert again == rows
    assert [list(row) for row in again] == [list(row) for row in rows]


def test_csv_is_plain(finished_runs, tmp_path):
    write_csv(run_rows(finished_runs), tmp_path / "runs.csv")
    with (tmp_path / "runs.csv").open(encoding="utf-8", newline="") as file:
        row = list(csv.DictReader(file))[-1]
    assert row["settings.encoder_conf.router"] == "speechmoe"
    assert row["settings.encoder_conf.linear_units"] == ""
    assert float(row["cer.total"]) > 0


VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES |= st.text(st.characters(codec="utf-8")) | st.sampled_from(["", "null", "1e3", '"x"', "NaN"])
VALUES |= st.lists(st.integers() | st.text(st.characters(codec="utf-8")), max_size=3)


@given(
    st.lists(st.fixed_dictionaries({"a": VALUES, 'b,"\n': VALUES}), min_size=1, max_size=5),
)
@settings(max_examples=100)
def test_any_value_is_read_back(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "any"
    for write, read in ((write_csv, read_csv), (write_json, read_json)):
        write(rows, path)
        again = read(path)
        assert again == rows
        assert [{name: type(value) for name, value in row.items()} for row in again] == [
            {name: type(value) for name, value in row.items()} for row in rows
        ]


def test_rows_of_other_columns(tmp_path):
    with pytest.raises(ValueError, match=r"same columns, got \['a'\] and \['b'\]"):
        write_csv([{"a": 1}, {"b": 1}], tmp_path / "runs.csv")


def test_bad_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*none\.csv"):
        read_csv(tmp_path / "none.csv")
    (tmp_path / "short.csv").write_text("a,b\n1,2\n3\n")
    with pytest.raises(ValueError, match=r"short\.csv: row 3 has 1 cells, expected 2"):
        read_csv(tmp_path / "short.csv")
    (tmp_path / "one.json").write_text(json.dumps({"a": 1}))
    with pytest.raises(ValueError, match=r"one\.json: expected a list of objects"):
        read_json(tmp_path / "one.json")
    (tmp_path / "no.json").write_text("[")
    with pytest.raises(ValueError, match=r"no\.json: not JSON"):
        read_json(tmp_path / "no.json")
