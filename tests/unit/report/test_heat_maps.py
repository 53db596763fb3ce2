import pytest
from drawings import tooltips, words

from speechmoe_espnet.report.figure import standalone_svg
from speechmoe_espnet.report.heat_maps import load_map, rate_map


def cells(figure):
    return {patch.get_gid().removeprefix("hint "): patch for patch in figure.axes[0].patches}


def draw(num_columns=3):
    xs, ys = [0.5 * i for i in range(num_columns)], [-1.0, 0.0]
    rates = {(x, y): 10 + x + abs(y) for x in xs for y in ys}
    del rates[xs[1], -1.0]
    return rate_map("CER of <dev>", ("lm_weight", xs), ("insertion_bonus", ys), rates, (0.0, 0.0))


def test_one_cell_a_point_the_best_strongest_and_framed():
    drawn = cells(draw())
    assert set(drawn) == {
        "lm_weight 0, insertion_bonus 0: 10.00 %",
        "lm_weight 0.5, insertion_bonus 0: 10.50 %",
        "lm_weight 1, insertion_bonus 0: 11.00 %",
        "lm_weight 0, insertion_bonus -1: 11.00 %",
        "lm_weight 1, insertion_bonus -1: 12.00 %",
    }
    strengths = {name: cell.get_facecolor()[3] for name, cell in drawn.items()}
    best = "lm_weight 0, insertion_bonus 0: 10.00 %"
    assert strengths[best] == 1 == max(strengths.values())
    assert [name for name, cell in drawn.items() if cell.get_edgecolor()[3]] == [best]


def test_values_ascend_to_the_right_and_upwards():
    drawn = cells(draw())
    left = drawn["lm_weight 0, insertion_bonus 0: 10.00 %"].get_window_extent()
    right = drawn["lm_weight 1, insertion_bonus 0: 11.00 %"].get_window_extent()
    below = drawn["lm_weight 0, insertion_bonus -1: 11.00 %"].get_window_extent()
    assert left.x0 < right.x0
    assert left.y0 > below.y0


def test_it_is_a_file_with_its_own_colours():
    assert "--heat:" in standalone_svg(draw())
    assert {"CER of <dev>", "lm_weight", "insertion_bonus", "10.5"} <= set(words(draw()))


def test_wide_grids_lose_their_numbers_but_no_cell():
    figure = draw(num_columns=100)
    assert len(cells(figure)) == 199
    assert len(tooltips(figure)) == 199
    assert "10.5" not in words(figure)
    assert len(words(figure)) < 40


def test_loads_are_shares_of_the_largest():
    figure = load_map("read", [[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]], [0.9, 0.62])
    drawn = cells(figure)
    assert len(drawn) == 6
    assert drawn["read, layer 2, expert 3: 80.0%"].get_facecolor()[3] == 1
    assert drawn["read, layer 1, expert 1: 50.0%"].get_facecolor()[3] == pytest.approx(5 / 8)
    assert {"read", "conf.", "0.90", "0.62", "50", "80"} <= set(words(figure))
