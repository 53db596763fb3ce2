import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.augment.tempo import repeat_last_frame, resample_time, resampled_lengths

speeds = st.floats(0.25, 4.0, width=32)


@given(st.integers(1, 5000), speeds, speeds)
def test_a_faster_utterance_is_never_longer(length, one, other):
    lengths = torch.tensor([length, length])
    slow, fast = resampled_lengths(lengths, torch.tensor(sorted((one, other)))).tolist()
    assert 1 <= fast <= slow
    assert slow * min(one, other) < length - 1 + min(one, other) + 1e-2


@given(st.integers(1, 5000))
def test_speed_1_keeps_lengths(length):
    assert resampled_lengths(torch.tensor([length]), torch.tensor([1.0])).tolist() == [length]


def test_resampling_is_numpys_interpolation_of_each_value():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 37, 3, generator=generator)
    lengths = torch.tensor([37, 20, 1, 2, 30])
    speed = torch.tensor([0.9, 1.3, 2.0, 0.5, 1.0])
    after = resampled_lengths(lengths, speed)
    out = resample_time(x, lengths, speed, int(after.max()))
    for b, (length, factor, count) in enumerate(
        zip(lengths.tolist(), speed.tolist(), after.tolist(), strict=True)
    ):
        for f in range(3):
            expected = np.interp(
                np.arange(out.size(1)) * factor, np.arange(length), x[b, :length, f].numpy()
            )
            np.testing.assert_allclose(out[b, :, f].numpy(), expected, atol=1e-5)
        assert (count - 1) * factor <= length - 1 + 1e-4


def test_speed_1_changes_no_bit_and_reads_no_padding():
    x = torch.randn(2, 9, 4, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([9, 5])
    padded = x.clone()
    padded[1, 5:] = torch.nan
    out = resample_time(padded, lengths, torch.ones(2), 9)
    assert torch.equal(out[0], x[0])
    assert torch.equal(out[1, :5], x[1, :5])
    assert torch.equal(out[1, 5:], x[1, 4].expand(4, -1))
    assert torch.equal(repeat_last_frame(padded, lengths), out)
