import pytest

from benchmarks.timing import Spread, interleave, ratios


def test_systems_take_turns_in_both_orders():
    runs = []
    seconds = interleave({n: (lambda n=n: runs.append(n)) for n in "ab"}, rounds=2, warmup=1)
    assert runs == ["a", "b", "a", "b", "b", "a"]
    assert {name: len(samples) for name, samples in seconds.items()} == {"a": 2, "b": 2}


def test_the_clock_is_read_after_waiting_for_the_device():
    events = []
    interleave(
        {"a": lambda: events.append("run")},
        rounds=1,
        warmup=0,
        synchronize=lambda: events.append("wait"),
    )
    assert events == ["wait", "run", "wait"]


def test_spread_is_median_and_quartiles():
    assert Spread.of([5.0, 1.0, 2.0, 4.0, 3.0]) == Spread(3.0, 2.0, 4.0)
    assert Spread.of([7.0]) == Spread(7.0, 7.0, 7.0)
    with pytest.raises(ValueError, match="no samples"):
        Spread.of([])


def test_ratios_pair_rounds():
    assert ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]


def test_no_rounds_is_a_mistake():
    with pytest.raises(ValueError, match="rounds must be at least 1"):
        interleave({"a": int}, rounds=0)
