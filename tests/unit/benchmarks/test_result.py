import json

from benchmarks.result import Row, read_rows, table, timed_rows, write_json
from benchmarks.timing import Spread

SECONDS = {"baseline": [0.010, 0.020, 0.030], "moe": [0.011, 0.021, 0.036]}


def rows():
    return timed_rows("T=8", "forward", SECONDS, "baseline", {"moe": 1.08})


def test_ratios_are_medians_of_rounds():
    baseline, moe = rows()
    assert baseline.ratio == Spread(1.0, 1.0, 1.0)
    assert baseline.reached is None
    assert moe.value.median == 0.021
    assert round(moe.ratio.median, 3) == 1.1
    assert moe.reached is False
    assert timed_rows("T=8", "forward", SECONDS, "baseline", {"moe": 1.1000001})[1].reached is True


def test_written_rows_are_read_back(tmp_path):
    path = tmp_path / "bench.json"
    memory = Row("T=8", "peak memory", "moe", "MB", Spread(3.0, 3.0, 3.0))
    write_json(path, [*rows(), memory], {"commit": "abc"})
    assert read_rows(path) == [*rows(), memory]
    assert json.loads(path.read_text())["meta"] == {"commit": "abc"}


def test_table_names_a_case_once_and_marks_a_missed_bar():
    text = table(rows())
    assert text.count("T=8") == 1
    assert text.splitlines()[-1].endswith("<= 1.08  MISSED")
    assert "21.00 ms" in text
