import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from models import batch, build

from speechmoe_espnet.espnet.steps import Schedule, StepCounter, is_count


def counted(steps):
    counter = StepCounter()
    for _ in range(steps):
        counter.advance()
    return counter


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_a_state_carries_the_count(steps):
    other = counted(2)
    other.load_state_dict(counted(steps).state_dict())
    assert other.count == other.value.item() == steps
    assert copy.deepcopy(other).count == steps


def test_a_state_without_a_count_starts_at_zero():
    model = torch.nn.Sequential(torch.nn.Linear(1, 1), counted(3))
    state = {name: value for name, value in model.state_dict().items() if "value" not in name}
    assert len(state) == 2
    model.load_state_dict(state)
    assert model[1].count == model[1].value.item() == 0


@pytest.mark.parametrize("encoder", ["speechmoe", "speechmoe_conformer"])
def test_a_model_counts_what_it_trains_on(encoder):
    model = build(encoder, model_conf={"alpha_schedule": [[0, 1.0]]})
    for mode, expected in ((True, 1), (False, 1), (True, 2)):
        model.train(mode)(**batch())
        assert model.steps.count == model.state_dict()["steps.value"].item() == expected
    assert [key for key in model.state_dict() if is_count(key)] == ["steps.value"]


def test_without_need_nothing_is_counted():
    assert not [key for key in build().state_dict() if is_count(key)]


POINTS = st.lists(
    st.tuples(st.integers(0, 10**6), st.floats(0, 100)), min_size=1, unique_by=lambda p: p[0]
).map(sorted)


@given(POINTS, st.integers(0, 10**6 + 5))
def test_a_schedule_is_linear_between_its_points(points, step):
    schedule = Schedule.parse([list(point) for point in points], "alpha_schedule")
    expected = np.interp(step, *zip(*points, strict=True))
    assert schedule(step) == pytest.approx(expected)
    assert schedule(points[-1][0]) == pytest.approx(schedule.last)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([], r"expected a list of \[step, factor\], got \[\]"),
        (0.5, r"expected a list of \[step, factor\], got 0.5"),
        ("ab", "expected a list"),
        ([0, 1.0], r"expected \[step, factor\], two numbers from 0 to 1e\+09 and 1e\+06, got 0"),
        ([[0, 1.0, 2.0]], r"got \[0, 1.0, 2.0\]"),
        ([[0, "1"]], "two numbers"),
        ([[0, True]], "two numbers"),
        ([[-1, 1.0]], "two numbers from 0"),
        ([[0, -0.1]], "two numbers from 0"),
        ([[0, float("nan")]], "two numbers from 0"),
        ([[0, float("inf")]], "two numbers from 0"),
        ([[5, 1.0], [5, 0.0]], "step 5 does not come after step 5"),
    ],
)
def test_mistakes_in_a_schedule_are_named(points, message):
    with pytest.raises(ValueError, match=f"^model_conf: beta_schedule: .*{message}"):
        build(model_conf={"beta_schedule": points})


@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_a_weight_follows_its_schedule(name):
    term = {"alpha": "loss_sparsity", "beta": "loss_importance"}[name]
    still = {"dropout_rate": 0.0, "embedding_conf": {"num_blocks": 1, "dropout_rate": 0.0}}
    conf = {"alpha": 0.2, "beta": 0.2}
    model = build(encoder_conf=still, model_conf={**conf, f"{name}_schedule": [[1, 0.0], [3, 2.0]]})
    with torch.no_grad():
        plain, stats, _ = build(encoder_conf=still, model_conf={**conf, name: 0.0})(**batch())
        frames = model.encoder.output_lengths(batch()["speech_lengths"]).float().mean()
        for factor in (0.0, 0.0, 1.0, 2.0, 2.0):
            loss, _, _ = model(**batch())
            torch.testing.assert_close(loss, plain + factor * 0.2 * frames * stats[term])
        fresh = build(
            encoder_conf=still, model_conf={**conf, f"{name}_schedule": [[9, 0], [10, 2]]}
        )
        loss = fresh.eval()(**batch())[0]
    torch.testing.assert_close(loss, plain + 2.0 * 0.2 * frames * stats[term])
