import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmoe_espnet.scoring.bootstrap import Interval
from speechmoe_espnet.scoring.bootstrap import relative_change as over_utterances
from speechmoe_espnet.scoring.seeds import Sums, error_rate, relative_change, seed_deviation

FEW = 400


def sums_of(*groups, num_resamples=FEW, seed=0):
    """Sums of groups of runs, each (num_seeds, num_utts), on the same resamples."""
    total = Sums.of(np.concatenate(groups).T, num_resamples=num_resamples, seed=seed)
    ends = np.cumsum([len(group) for group in groups])
    return [
        total.pick(range(end - len(group), end)) for group, end in zip(groups, ends, strict=True)
    ]


def change_of(control, candidate, **options):
    return relative_change(*sums_of(control, candidate, **options))


def simulated(rng, num_seeds, num_utts, rate, seed_deviation, hardness):
    """Simulate errors of runs: terms of utterances, of seeds, and of each pair of both."""
    seeds = np.exp(rng.normal(0, seed_deviation, (num_seeds, 1)))
    own = rng.gamma(10.0, 0.1, (num_seeds, num_utts))
    return rng.poisson(hardness * rate * seeds * own)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=30)
def test_equal_runs_give_exactly_zero(errors, num_control, num_candidate):
    change = change_of(np.array([errors] * num_control), np.array([errors] * num_candidate))
    assert change.interval == Interval(0.0, 0.0, 0.0)
    assert change.num_seeds == (num_control, num_candidate)


def test_one_seed_each_is_the_paired_bootstrap():
    rng = np.random.default_rng(0)
    control, candidate = rng.integers(0, 6, 60), rng.integers(0, 5, 60)
    change = change_of(control[None], candidate[None])
    expected = over_utterances(control, candidate, num_resamples=FEW)
    assert not change.covers_seeds
    got = (change.interval.mean, change.interval.low, change.interval.high)
    assert got == pytest.approx((expected.mean, expected.low, expected.high))


@given(st.floats(0.6, 0.95))
@settings(max_examples=15)
def test_the_interval_widens_with_the_spread_of_the_seeds(factor):
    rng = np.random.default_rng(1)
    base = rng.integers(5, 15, 80)
    candidate = np.stack([np.round(base * factor * 100).astype(int)] * 3)
    widths = []
    for spread in (0.0, 0.02, 0.05, 0.1):
        control = [np.round(100 * base * (1 + spread * sign)).astype(int) for sign in (-1, 0, 1)]
        interval = change_of(np.stack(control), candidate).interval
        assert interval.mean == pytest.approx(1 - factor, abs=0.01)
        widths.append(interval.high - interval.low)
    assert widths == sorted(widths)
    assert widths[-1] > 3 * widths[0]


@pytest.mark.parametrize(("num_seeds", "spread"), [(3, 0.0), (3, 0.05), (5, 0.03)])
def test_coverage_is_about_nominal(num_seeds, spread):
    rng = np.random.default_rng([2, num_seeds])
    truth, trials, covered = 0.1, 250, np.zeros(2)
    for trial in range(trials):
        hardness = rng.gamma(2.0, 1.0, 150)
        runs = [simulated(rng, num_seeds, 150, rate, spread, hardness) for rate in (1.0, 0.9)]
        control, candidate, chars = sums_of(*runs, np.full((1, 150), 10), seed=trial)
        change = relative_change(control, candidate, seed=trial).interval
        rate = error_rate(control, chars, seed=trial).interval
        expected = 20.0 * np.exp(spread**2 / 2)
        covered += [change.low <= truth <= change.high, rate.low <= expected <= rate.high]
    assert (covered / trials >= 0.9).all()
    assert (covered / trials <= 0.99).all()


def test_resampling_utterances_alone_would_not_cover_the_seeds():
    rng = np.random.default_rng(4)
    with_seeds = without = 0
    for trial in range(150):
        hardness = rng.gamma(2.0, 1.0, 400)
        control, candidate = (simulated(rng, 3, 400, rate, 0.08, hardness) for rate in (1.0, 0.9))
        whole = change_of(control, candidate, seed=trial).interval
        pooled = change_of(control.sum(0)[None], candidate.sum(0)[None], seed=trial).interval
        with_seeds += whole.low <= 0.1 <= whole.high
        without += pooled.low <= 0.1 <= pooled.high
    assert with_seeds / 150 >= 0.9
    assert without / 150 < 0.75


@given(st.lists(st.lists(st.integers(1, 9), min_size=4, max_size=4), min_size=4, max_size=4))
@settings(max_examples=30)
def test_the_sign_follows_the_means(errors):
    control, candidate = np.array(errors[:2]), np.array(errors[2:])
    mean = change_of(control, candidate).interval.mean
    assert np.sign(mean) == np.sign(int(control.sum()) - int(candidate.sum()))
    interval = change_of(control, candidate).interval
    assert np.isfinite([interval.low, interval.high]).all()
    assert interval.low <= interval.high <= 1.0


def slow_relative_change(control, candidate, picks, draws):
    """The same, one resample, run and utterance at a time."""
    freedom = len(control) + len(candidate) - 2
    squares, explained, inverse = 0.0, 0.0, 0.0
    for runs in (control, candidate):
        totals = [sum(run) for run in runs]
        mean = sum(totals) / len(runs)
        squares += sum((total / mean - 1) ** 2 for total in totals)
        inverse += 1 / len(runs)
        by_run = [[] for _ in runs]
        for rows in picks:
            resampled = [sum(run[row] for row in rows) for run in runs]
            middle = sum(resampled) / len(runs)
            for values, total in zip(by_run, resampled, strict=True):
                values.append(total / middle - 1)
        for values in by_run:
            center = sum(values) / len(values)
            explained += sum((value - center) ** 2 for value in values) / len(values)
    deviation = (max(0.0, squares - explained) / freedom * inverse) ** 0.5
    changes = []
    for rows, draw in zip(picks, draws, strict=True):
        errors = [
            sum(run[row] for run in runs for row in rows) / len(runs)
            for runs in (control, candidate)
        ]
        changes.append(1 - errors[1] / errors[0] * max(0, 1 + draw * deviation))
    return np.percentile(changes, [2.5, 97.5])


def test_against_a_slow_implementation():
    rng = np.random.default_rng(6)
    hardness = rng.gamma(2.0, 2.0, 12) + 1
    control = simulated(rng, 3, 12, 2.0, 0.3, hardness)
    candidate = simulated(rng, 2, 12, 1.5, 0.3, hardness)
    change = change_of(control, candidate, num_resamples=100, seed=9)
    picks = np.random.default_rng(9).integers(0, 12, size=(100, 12))
    draws = np.random.default_rng(0).standard_t(3, 100)
    slow = slow_relative_change(control.tolist(), candidate.tolist(), picks.tolist(), draws)
    assert (change.interval.low, change.interval.high) == pytest.approx(tuple(slow))
    utterances_only = change_of(control.sum(0)[None], candidate.sum(0)[None], num_resamples=100)
    assert change.interval.high - change.interval.low > (
        utterances_only.interval.high - utterances_only.interval.low
    )


def test_sets_are_added():
    rng = np.random.default_rng(7)
    first, second = rng.integers(0, 5, (30, 2)), rng.integers(0, 50, (10, 2))
    total = Sums.of(first, seed=[0, 0], num_resamples=FEW) + Sums.of(
        second, seed=[0, 1], num_resamples=FEW
    )
    assert total.observed.tolist() == (first.sum(0) + second.sum(0)).tolist()
    easy_and_hard = Sums.of(np.ones((10, 1)), num_resamples=9) + Sums.of(
        np.full((10, 1), 9), num_resamples=9
    )
    assert set(easy_and_hard.resampled.ravel().tolist()) == {100}


def test_error_rate_is_the_mean_over_seeds():
    errors, chars = sums_of(np.array([[1, 2], [3, 2]]), np.array([[10, 10]]))
    rate = error_rate(errors, chars)
    assert rate.interval.mean == pytest.approx(20.0)
    assert rate.num_seeds == (2,)
    assert rate.to_dict()["covers_seeds"] is True


def test_a_control_without_errors():
    assert change_of(np.zeros((2, 3), int), np.ones((2, 3), int)).interval.verdict == "worse"
    assert change_of(np.zeros((2, 3), int), np.zeros((2, 3), int)).interval.mean == 0.0


def test_seed_deviation():
    assert seed_deviation([1.0, 3.0]) == pytest.approx(2**0.5)
    assert seed_deviation([1.0]) is None


def test_bad_input():
    with pytest.raises(ValueError, match=r"no utterances"):
        Sums.of(np.zeros((0, 2)))
    few, more = Sums.of([[1]], num_resamples=5), Sums.of([[1]], num_resamples=6)
    with pytest.raises(ValueError, match=r"same resamples, got 5 and 6"):
        relative_change(few, more)
    with pytest.raises(ValueError, match=r"one column of 5 resamples, got shape \(6, 1\)"):
        error_rate(few, more)
    with pytest.raises(ValueError, match=r"num_chars must be at least 1"):
        error_rate(few, Sums.of([[0]], num_resamples=5))
    with pytest.raises(ValueError, match=r"confidence must lie between 0 and 1, got 95"):
        relative_change(few, few, confidence=95)
