import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from speechmoe_espnet.decode.tuning import Axis, RankedLists, grid_search, pattern_search

numbers = st.floats(-50, 50).map(lambda value: round(value, 2))
hyps = st.fixed_dictionaries(
    {"a": numbers, "g": numbers, "n": st.integers(0, 9), "errors": st.integers(0, 9)}
)
list_sets = st.lists(st.lists(hyps, min_size=1, max_size=5), min_size=1, max_size=6)


def ranked(groups, num_units=10):
    lists = {f"u{number}": group for number, group in enumerate(groups)}
    errors = {utt: [hyp["errors"] for hyp in group] for utt, group in lists.items()}
    return RankedLists.from_lists(lists, errors, num_units, fixed="a", weighted=("g", "n"))


@given(list_sets, numbers, numbers)
def test_rate_is_that_of_the_hypotheses_with_the_highest_totals(groups, weight, bonus):
    total = 0
    for group in groups:
        totals = [hyp["a"] + (weight * hyp["g"] + bonus * hyp["n"]) for hyp in group]
        total += group[totals.index(max(totals))]["errors"]
    lists = ranked(groups, num_units=7)
    assert lists((weight, bonus)) == pytest.approx(100 * total / 7)
    assert lists.first == pytest.approx(100 * sum(g[0]["errors"] for g in groups) / 7)
    oracle = sum(min(hyp["errors"] for hyp in group) for group in groups)
    assert lists.oracle == pytest.approx(100 * oracle / 7)
    assert lists.oracle <= lists((weight, bonus))


def test_of_equal_scores_the_first_wins():
    group = [{"a": -1.0, "g": 0.0, "n": 0, "errors": e} for e in (3, 0)]
    assert ranked([group])((1.0, 1.0)) == pytest.approx(30)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0:0.3:0.1", (0.0, 0.1, 0.2, 0.3)),
        ("-1:1:1", (-1.0, 0.0, 1.0)),
        ("0:1:0.4", (0.0, 0.4, 0.8)),
        ("2:2:1", (2.0,)),
        ("0.3,0.5,1", (0.3, 0.5, 1.0)),
        ("7", (7.0,)),
    ],
)
def test_axes_are_read(text, values):
    assert Axis.parse("w", text, 0.0).values == values


@pytest.mark.parametrize(
    "text",
    ["", "1,x", "1,1", "2,1", "0:1", "0:1:0", "1:0:0.1", "0:1:-1", "0:inf:1", "nan", "0:9:1e-9"],
)
def test_wrong_axes_are_named(text):
    with pytest.raises(ValueError, match=r"^lm_weight: "):
        Axis.parse("lm_weight", text, 0.0)


@given(st.text("0123456789.:,-einfa ", max_size=12))
def test_any_text_gives_an_ascending_axis_or_an_error(text):
    try:
        axis = Axis.parse("w", text, 0.0)
    except ValueError as error:
        assert str(error).startswith("w: ")  # noqa: PT017
        return
    assert axis.values
    assert all(low < high for low, high in itertools.pairwise(axis.values))


AXES = (Axis.parse("w", "0:2:0.1", 0.5), Axis.parse("b", "-5:5:0.5", 0.0))


def bowl(point):
    return round((point[0] - 1.3) ** 2 + 0.01 * (point[1] + 2) ** 2 + 5, 9)


def test_grid_finds_the_minimum_and_keeps_every_point():
    found = grid_search(bowl, AXES)
    assert found.named(found.best) == {"w": 1.3, "b": -2.0}
    assert found.rate == 5
    assert len(found.rates) == 21 * 21
    assert found.on_edge == []


def test_ties_go_to_the_point_closest_to_the_defaults():
    assert grid_search(lambda _: 1.0, AXES).best == (0.5, 0.0)
    flat_away_from_default = grid_search(lambda point: float(point[0] < 0.85), AXES)
    assert flat_away_from_default.best == (0.9, 0.0)
    both_sides = grid_search(lambda point: float(abs(point[0] - 0.5) < 0.15), AXES)
    assert both_sides.best == (0.3, 0.0)


def test_an_optimum_on_the_edge_is_reported_unless_the_axis_has_one_value():
    axes = (AXES[0], Axis("b", (1.0,), 0.0))
    found = grid_search(lambda point: -point[0], axes)
    assert found.best == (2.0, 1.0)
    assert found.on_edge == ["w"]


def test_pattern_search_evaluates_few_points_once_each():
    asked = []

    def dear(point):
        asked.append(point)
        return bowl(point)

    found = pattern_search(dear, AXES)
    assert found.best == (1.3, -2.0)
    assert len(asked) == len(set(asked)) == len(found.rates)
    assert len(asked) < 40


@given(st.lists(st.integers(0, 9), min_size=20, max_size=20))
@example([0, 0, 2, 0, 0, 0, 1, 2, 1, 0, 0, 1, 1, 1, 0, 0, 0, 1, 0, 0])
def test_pattern_search_ends_where_no_neighbour_is_better(rates):
    axes = (Axis("w", (0.0, 1.0, 2.0, 3.0), 1.0), Axis("b", (0.0, 1.0, 2.0, 3.0, 4.0), 2.0))
    table = dict(zip(itertools.product(axes[0].values, axes[1].values), rates, strict=True))
    found = pattern_search(table.__getitem__, axes)
    assert found.rate == min(found.rates.values())
    w, b = found.best
    for near in ((w - 1, b), (w + 1, b), (w, b - 1), (w, b + 1)):
        assert table.get(near, math.inf) >= min(found.rates.values())
    assert all(table[point] == rate for point, rate in found.rates.items())


def test_ranking_is_fast_enough_for_a_grid():
    generator = np.random.default_rng(0)
    lists = RankedLists(
        generator.normal(size=(300, 50)),
        generator.normal(size=(2, 300, 50)),
        generator.integers(0, 9, size=(300, 50)),
        5000,
    )
    found = grid_search(lists, AXES)
    assert len(found.rates) == 441
    assert found.rate < lists((0.5, 0.0)) or found.best == (0.5, 0.0)
