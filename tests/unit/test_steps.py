import copy

import pytest
import torch
from models import batch, build

from speechmoe_espnet.steps import StepCounter


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
    model = build(encoder)
    for mode, expected in ((True, 1), (False, 1), (True, 2)):
        model.train(mode)(**batch())
        assert model.steps.count == model.state_dict()["steps.value"].item() == expected
