import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmoe_espnet.scoring import bootstrap
from speechmoe_espnet.scoring.bootstrap import (
    Interval,
    error_rate,
    relative_change,
    resampled_sums,
)

FEW = 400


def test_identical_systems_give_exactly_zero():
    errors = np.random.default_rng(0).integers(0, 5, 50)
    assert relative_change(errors, errors) == Interval(0.0, 0.0, 0.0)


def test_a_constant_ratio_has_no_spread():
    control = np.arange(1, 40) * 10
    interval = relative_change(control, control * 9 // 10)
    assert (interval.mean, interval.low, interval.high) == pytest.approx((0.1, 0.1, 0.1))
    assert interval.verdict == "better"


def test_mean_is_the_observed_change():
    assert relative_change([10, 10], [10, 5]).mean == pytest.approx(0.25)


def test_same_seed_same_interval_and_chunks_do_not_matter(monkeypatch):
    rng = np.random.default_rng(1)
    control, candidate = rng.integers(0, 6, 60), rng.integers(0, 6, 60)
    first = relative_change(control, candidate, seed=3)
    assert first == relative_change(control, candidate, seed=3)
    assert first != relative_change(control, candidate, seed=4)
    monkeypatch.setattr(bootstrap, "_MAX_CELLS", 100)
    assert first == relative_change(control, candidate, seed=3)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=20))
def test_exchanging_the_systems_reverses_the_verdict(pairs):
    control, candidate = zip(*pairs, strict=True)
    there = relative_change(control, candidate, num_resamples=FEW)
    back = relative_change(candidate, control, num_resamples=FEW)
    opposite = {"better": "worse", "worse": "better"}
    assert back.verdict == opposite.get(there.verdict, there.verdict)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20))
def test_always_finite_and_ordered(pairs):
    control, candidate = zip(*pairs, strict=True)
    interval = relative_change(control, candidate, num_resamples=FEW)
    assert np.isfinite([interval.mean, interval.low, interval.high]).all()
    assert interval.low <= interval.high


def test_a_control_without_errors():
    assert relative_change([0, 0], [0, 0]).mean == 0.0
    assert relative_change([0, 0], [1, 1]).verdict == "worse"


def test_coverage_is_about_nominal():
    rng = np.random.default_rng(5)
    covered = 0
    for trial in range(150):
        hardness = rng.gamma(2.0, 1.0, 120)
        control, candidate = rng.poisson(hardness), rng.poisson(0.9 * hardness)
        interval = relative_change(control, candidate, seed=trial, num_resamples=FEW)
        covered += interval.low <= 0.1 <= interval.high
    assert 0.88 <= covered / 150 <= 0.99


def test_pairing_narrows_the_interval():
    hardness = np.random.default_rng(2).gamma(1.0, 5.0, 200).round().astype(int) + 1
    paired = relative_change(hardness, hardness - 1)
    unpaired = relative_change(hardness, np.roll(hardness - 1, 7))
    assert paired.high - paired.low < (unpaired.high - unpaired.low) / 3


def test_columns_share_their_resamples():
    rng = np.random.default_rng(8)
    first = rng.integers(0, 5, 30)
    sums = resampled_sums(np.stack([first, 3 * first, np.ones_like(first)], axis=1), seed=2)
    assert (sums[:, 1] == 3 * sums[:, 0]).all()
    assert set(sums[:, 2].tolist()) == {30}
    picks = np.random.default_rng(2).integers(0, 30, size=(bootstrap.NUM_RESAMPLES, 30))
    assert (sums[:, 0] == first[picks].sum(axis=1)).all()


def test_strata_keep_their_size():
    errors, chars = [1] * 10 + [9] * 10, [10] * 20
    alone = error_rate(errors, chars)
    within = error_rate(errors, chars, strata=["easy"] * 10 + ["hard"] * 10)
    assert alone.high > alone.low
    assert (within.mean, within.low, within.high) == (50.0, 50.0, 50.0)


def test_error_rate_is_pooled():
    assert error_rate([1, 0], [1, 99]).mean == 1.0


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (([], []), {}, "no utterances"),
        (([1, 2], [1]), {}, r"equal length, got \(2,\) and \(1,\)"),
        (([1], [1]), {"num_resamples": 0}, "num_resamples must be at least 1, got 0"),
        (([1], [1]), {"confidence": 95}, "confidence must lie between 0 and 1, got 95"),
        (([1], [1]), {"strata": [1, 2]}, "strata must have shape"),
    ],
)
def test_bad_input(arguments, options, words):
    with pytest.raises(ValueError, match=words):
        relative_change(*arguments, **options)


def test_empty_reference():
    with pytest.raises(ValueError, match="num_chars must be at least 1"):
        error_rate([1], [0])
