import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.augment.power import (
    TABLE_FRAMES,
    decay_per_frame,
    fluctuations,
    noise_rows,
    num_doublings,
    reverberate,
    scaled_noise,
)


def test_power_decays_by_60_db_in_the_reverberation_time():
    decay = decay_per_frame(torch.tensor([0.3, 0.6]), frame_shift=10.0)
    decibels = 10 * torch.log10(decay ** torch.tensor([30, 60]))
    torch.testing.assert_close(decibels, torch.full((2,), -60.0), atol=1e-3, rtol=0)


@pytest.mark.parametrize("num_frames", [1, 2, 3, 17, 90])
def test_reverberation_is_the_recursion_frame_by_frame(num_frames):
    generator = torch.Generator().manual_seed(0)
    power = torch.rand(3, num_frames, 5, generator=generator).exp()
    before = power.clone()
    times = torch.tensor([0.05, 0.3, 0.5])
    decay, level = decay_per_frame(times, 10.0), torch.tensor([0.7, 0.0, 1.5])
    out = reverberate(power, decay, level, num_doublings(0.5, 10.0))
    for b in range(3):
        tail = np.zeros(5)
        for t in range(num_frames):
            direct = power[b, t].double().numpy()
            expected = (direct + level[b].item() * tail) / (1 + level[b].item())
            # The recursion has no end; the kernel's is 60 dB down.
            np.testing.assert_allclose(out[b, t].numpy(), expected, rtol=1e-4)
            tail = decay[b].item() * tail + (1 - decay[b].item()) * direct
    assert torch.equal(power, before)
    assert torch.equal(out[1], power[1])


def test_a_steady_sound_keeps_its_level():
    decay = decay_per_frame(torch.tensor([0.2]), 10.0)
    out = reverberate(torch.full((1, 80, 2), 3.0), decay, torch.tensor([2.0]), 6)
    torch.testing.assert_close(out[:, 40:], torch.full((1, 40, 2), 3.0), rtol=1e-4, atol=0)


@given(st.floats(0.01, 10.0), st.floats(1.0, 20.0))
def test_the_kernel_lasts_as_long_as_the_reverberation(time, frame_shift):
    assert 2 ** num_doublings(time, frame_shift) * frame_shift >= time * 1000 * 0.999


def test_narrow_bands_of_noise_flicker_more_than_wide_ones():
    table = fluctuations(torch.tensor([20.0, 200.0, 1000.0]))
    assert table.shape == (TABLE_FRAMES, 3)
    torch.testing.assert_close(table.mean(dim=0), torch.ones(3))
    # The variance of a gamma distribution of mean 1 is one over its degrees.
    torch.testing.assert_close(table.var(dim=0), torch.tensor([1.0, 0.2, 0.04]), rtol=0.25, atol=0)
    assert torch.equal(table, fluctuations(torch.tensor([20.0, 200.0, 1000.0])))


@given(
    st.lists(st.integers(1, 12), min_size=2, max_size=5),
    st.data(),
)
def test_noise_is_read_around_valid_frames_of_another_or_the_table(lengths, data):
    size, num_frames = len(lengths), 12
    speech = data.draw(st.lists(st.booleans(), min_size=size, max_size=size))
    shift = data.draw(st.lists(st.integers(1, size - 1), min_size=size, max_size=size))
    share = st.floats(0, 1, exclude_max=True, width=32)
    offset = data.draw(st.lists(share, min_size=size, max_size=size))
    rows = noise_rows(
        torch.tensor(lengths),
        num_frames,
        torch.tensor(speech),
        torch.tensor(shift),
        torch.tensor(offset),
    )
    for b in range(size):
        partner = (b + shift[b]) % size
        period = lengths[partner] if speech[b] else TABLE_FRAMES
        start = partner * num_frames if speech[b] else size * num_frames
        first = rows[b, 0].item() - start
        assert 0 <= first < period
        assert abs(first - offset[b] * period) <= 1
        assert rows[b].tolist() == [start + (first + t) % period for t in range(num_frames)]


def test_noise_has_the_ratio_asked_for_over_valid_frames():
    generator = torch.Generator().manual_seed(0)
    power, noise = torch.rand(2, 2, 20, 6, generator=generator).exp().unbind()
    lengths = torch.tensor([20, 13])
    power[1, 13:], noise[1, 13:] = 1e6, 1e7
    spectrum = torch.rand(2, 6, generator=generator)
    weights = (torch.arange(20) < lengths.unsqueeze(1)) / lengths.unsqueeze(1)
    snr = torch.tensor([5.0, 15.0])
    added = scaled_noise(power, noise.clone(), spectrum, 10 ** (-snr / 10), weights)
    for b, length in enumerate(lengths.tolist()):
        found = power[b, :length].mean() / added[b, :length].mean()
        assert (10 * found.log10()).item() == pytest.approx(snr[b].item(), abs=1e-3)
        shape = noise[b] * spectrum[b]
        torch.testing.assert_close(added[b] / added[b, 0, 0], shape / shape[0, 0])
