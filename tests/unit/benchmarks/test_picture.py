import pytest

from benchmarks.picture import draw
from benchmarks.result import Row, timed_rows
from benchmarks.timing import Spread

ROWS = timed_rows("T=8", "forward", {"dense baseline": [1.0], "MoE layer": [9.0]}, "dense baseline")


def test_one_panel_per_comparison_and_labels_on_long_bars(tmp_path):
    path = tmp_path / "picture.svg"
    alone = Row("T=8", "memory", "MoE layer", "MB", Spread(1.0, 1.0, 1.0))
    draw([*ROWS, alone], path)
    svg = path.read_text()
    assert "9.00" in svg
    assert "memory" not in svg


def test_nothing_to_draw_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no ratios to draw"):
        draw([], tmp_path / "picture.svg")
    assert not (tmp_path / "picture.svg").exists()
