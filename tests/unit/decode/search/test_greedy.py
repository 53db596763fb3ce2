"""Greedy search against a simple loop, and its independence of batches and padding."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmoe_espnet.decode.search.greedy import ctc_greedy_search


@settings(max_examples=50)
@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 12), st.integers(1, 4))
def test_equals_a_simple_loop_for_any_padding(
    seed: int, batch_size: int, num_frames: int, num_units: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    log_probs = torch.randn(batch_size, num_frames, num_units, generator=generator)
    log_probs = log_probs.log_softmax(2)
    lengths = torch.randint(0, num_frames + 1, (batch_size,), generator=generator)
    for row, length in zip(log_probs, lengths.tolist(), strict=True):
        row[length:] = math.nan
    for hyp, row, length in zip(
        ctc_greedy_search(log_probs, lengths), log_probs, lengths.tolist(), strict=True
    ):
        path = row[:length].argmax(1).tolist()
        assert hyp.units == tuple(unit for unit, _ in itertools.groupby(path) if unit != 0)
        runs = [(unit, len(list(run))) for unit, run in itertools.groupby(path)]
        ends = itertools.accumulate(count for _, count in runs)
        assert hyp.unit_frames == tuple(
            (end - count, end) for (unit, count), end in zip(runs, ends, strict=True) if unit != 0
        )
        assert hyp.acoustic_score == hyp.score
        assert hyp.score == pytest.approx(float(row[:length].double().amax(1).sum()), abs=1e-9)


def test_blank_between_equal_units_separates_them() -> None:
    path = torch.tensor([[2, 2, 1, 2, 0, 0, 1]])
    log_probs = torch.nn.functional.one_hot(path, 3).float().log_softmax(2)
    assert ctc_greedy_search(log_probs, torch.tensor([7]), blank_id=1)[0].units == (2, 2, 0)


@pytest.mark.parametrize(
    ("shape", "lengths", "blank_id", "message"),
    [
        ((2, 3), [1, 1], 0, "must be .batch, frames, units."),
        ((2, 3, 4), [1], 0, "must be .batch, frames, units."),
        ((2, 3, 4), [1, 4], 0, r"lengths must be in \[0, 3\]"),
        ((2, 3, 4), [1, 3], 4, r"blank_id must be in \[0, 4\), got 4"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(
    shape: tuple[int, ...], lengths: list[int], blank_id: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ctc_greedy_search(torch.zeros(shape), torch.tensor(lengths), blank_id)
