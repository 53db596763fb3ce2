import json

import pytest

from benchmarks import __main__ as bench
from benchmarks.result import Row
from benchmarks.timing import Spread


@pytest.fixture
def made_up(monkeypatch):
    """A fake benchmark in place of `experts`, and its arguments."""
    seen = []

    def run(args):
        seen.append(args)
        rows = [("dense baseline", 1.0, None), ("MoE layer", 1.3, 1.25)]
        return [
            Row("T=8", "forward", name, "s", Spread.of([ratio]), Spread.of([ratio]), bar)
            for name, ratio, bar in rows
        ]

    monkeypatch.setattr(bench.BENCHMARKS["experts"], "run", run)
    return seen


def test_table_json_and_picture(made_up, tmp_path, capsys):
    assert bench.main(["experts", "--output-dir", str(tmp_path / "out"), "--quick"]) == 0
    assert made_up[0].quick is True
    assert "<= 1.25  MISSED" in capsys.readouterr().out
    path = tmp_path / "out/bench_experts.json"
    found = json.loads(path.read_text())
    assert [row["reached"] for row in found["rows"]] == [None, False]
    assert found["meta"]["command"].startswith("python -m benchmarks experts")
    assert {"commit", "versions", "machine"} <= set(found["meta"])
    picture = tmp_path / "ratios.png"
    assert bench.main(["picture", "--input", str(path), "--output", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rounds", "0"], "--rounds must be at least 1, got 0"),
        (["--num_threads", "0"], "--num_threads must be at least 1, got 0"),
    ],
)
def test_mistakes_are_one_line(made_up, options, message, capsys):
    assert bench.main(["experts", *options]) == 1
    assert capsys.readouterr().err == f"benchmarks: error: {message}\n"
    assert made_up == []


@pytest.mark.parametrize("name", bench.BENCHMARKS)
def test_every_benchmark_describes_itself(name, capsys):
    with pytest.raises(SystemExit) as stop:
        bench.main([name, "--help"])
    assert stop.value.code == 0
    assert "--rounds" in capsys.readouterr().out
