import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchaudio.compliance import kaldi

from speechmoe_espnet.augment.mel_axis import (
    VTLP_KNEE,
    MelAxis,
    hertz,
    mel,
    smooth_basis,
    warp_frequency,
)


@pytest.fixture(scope="module")
def axis():
    return MelAxis(40, 20.0, 8000.0)


def test_filters_lie_where_kaldis_do(axis):
    banks, centres = kaldi.get_mel_banks(40, 4096, 16000.0, 20.0, 8000.0, 100.0, -500.0, 1.0)
    torch.testing.assert_close(axis.centres, centres.flatten(), atol=0.5, rtol=1e-4)
    # A triangle's area is half its base; its height is 1.
    areas = banks.sum(dim=1) * (8000.0 / 2048)
    torch.testing.assert_close(axis.bandwidths, areas, atol=2.0, rtol=0.02)


def test_mel_and_hertz_are_inverse():
    frequency = torch.linspace(0, 8000, 50, dtype=torch.float64)
    torch.testing.assert_close(hertz(mel(frequency)), frequency)


def vtlp(frequency, alpha, high):
    """Jaitly and Hinton 2013, as it is written there."""
    boundary = VTLP_KNEE * high
    if frequency <= boundary * min(alpha, 1) / alpha:
        return frequency * alpha
    edge = boundary * min(alpha, 1)
    return high - (high - edge) / (high - edge / alpha) * (high - frequency)


@pytest.mark.parametrize("alpha", [0.8, 0.95, 1.0, 1.1, 1.25])
def test_bins_are_read_where_the_paper_says(axis, alpha):
    (positions,) = axis.warped_positions(torch.tensor([alpha])).numpy()
    mels = 1127 * np.log1p(axis.centres.double().numpy() / 700)
    for bin_, centre in enumerate(axis.centres.tolist()):
        expected = 1127 * np.log1p(vtlp(centre, alpha, 8000.0) / 700)
        expected = np.interp(expected, mels, np.arange(40))
        assert positions[bin_] == pytest.approx(expected, abs=2e-3)


@given(st.floats(0.5, 2.0, width=32))
def test_the_warped_axis_keeps_its_order_and_ends(alpha):
    (positions,) = MelAxis(40, 20.0, 8000.0).warped_positions(torch.tensor([alpha]))
    assert (positions.diff() >= 0).all()
    assert positions.min() >= 0
    assert positions.max() <= 39


def test_a_factor_above_1_moves_formants_down(axis):
    x = torch.zeros(1, 1, 40)
    x[0, 0, 20] = 1.0
    peaks = [
        int(warp_frequency(x, axis.warped_positions(torch.tensor([alpha]))).argmax())
        for alpha in (0.8, 1.0, 1.2)
    ]
    assert peaks[0] > peaks[1] == 20 > peaks[2]


def test_warping_is_numpys_interpolation_of_each_frame(axis):
    x = torch.randn(3, 6, 40, generator=torch.Generator().manual_seed(0))
    positions = axis.warped_positions(torch.tensor([0.85, 1.0, 1.2]))
    out = warp_frequency(x, positions)
    for b in range(3):
        for t in range(6):
            expected = np.interp(positions[b].numpy(), np.arange(40), x[b, t].numpy())
            np.testing.assert_allclose(out[b, t].numpy(), expected, atol=1e-5)
    assert torch.equal(out[1], x[1])


def test_curves_are_smooth_and_of_the_size_asked_for():
    basis = smooth_basis(40)
    assert basis.shape == (4, 40)
    torch.testing.assert_close(basis.sum(dim=1), torch.zeros(4), atol=1e-5, rtol=0)
    assert basis.square().sum(dim=0).mean().item() == pytest.approx(1.0)
    assert basis.diff(dim=1).abs().max() < 0.25
