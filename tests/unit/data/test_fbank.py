"""The fast filter banks against torchaudio's."""

import threading

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from speechmoe_espnet.data.fbank import BLOCK_FRAMES, FilterBank, filter_bank
from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.fbank_reference import reference_fbank

TOLERANCE = 2e-3
SHIFT, LENGTH = 160, 400


def noise(num_samples: int, level: float = 3000.0, offset: float = 0.0) -> torch.Tensor:
    """Noise as integers, as in 16-bit files."""
    rng = np.random.default_rng(num_samples)
    values = offset + level * rng.standard_normal(num_samples)
    return torch.from_numpy(np.round(values).clip(-32768, 32767).astype(np.float32))


def check(scaled: torch.Tensor, config: FbankConfig, seed: int = 0) -> None:
    expected = reference_fbank(scaled, config, seed)
    for samples in (scaled.short(), scaled / 32768):
        got = FilterBank(config)(samples, seed)
        assert got.shape == expected.shape
        torch.testing.assert_close(got, expected, atol=TOLERANCE, rtol=0)


@st.composite
def configs(draw: st.DrawFn) -> FbankConfig:
    rate = draw(st.sampled_from([8000, 11025, 16000, 44100]))
    return FbankConfig(
        num_mel_bins=draw(st.integers(4, 80)),
        frame_length=draw(st.floats(5, 60)),
        frame_shift=draw(st.floats(1, 80)),
        sample_frequency=rate,
        low_freq=draw(st.floats(0, 500)),
        high_freq=draw(st.floats(-1000, 0) | st.floats(2000, rate / 2)),
        dither=draw(st.sampled_from([0.0, 0.5, 3.0])),
    )


@given(
    configs(),
    st.integers(0, 20000),
    st.integers(0, 2**32 - 1),
    st.floats(30, 8000),
    st.floats(-3, 3),
)
@settings(max_examples=80)
@example(FbankConfig(), 0, 0, 3000.0, 0.0)
@example(FbankConfig(dither=1.0), 0, 0, 3000.0, 0.0)
def test_any_options_and_length(
    config: FbankConfig, more: int, seed: int, level: float, offset: float
) -> None:
    check(noise(config.frame_samples + more, level, offset * level), config, seed)


@pytest.mark.parametrize("dither", [0.0, 1.0])
@pytest.mark.parametrize("num_frames", [BLOCK_FRAMES - 1, BLOCK_FRAMES, BLOCK_FRAMES + 1, 1500])
def test_blocks_leave_no_seam(num_frames: int, dither: float) -> None:
    samples = noise(LENGTH + (num_frames - 1) * SHIFT + 7)
    check(samples, FbankConfig(dither=dither), seed=3)


def test_results_do_not_depend_on_what_was_computed_before() -> None:
    bank = FilterBank(FbankConfig())
    first = bank(noise(9000).short())
    kept = first.clone()
    bank(noise(200_000).short())
    assert torch.equal(first, kept)
    assert torch.equal(bank(noise(9000).short()), kept)


def test_silence_is_the_floor_as_in_torchaudio() -> None:
    silence = torch.zeros(3000)
    expected = reference_fbank(silence, FbankConfig())
    assert torch.equal(FilterBank(FbankConfig())(silence), expected)


def test_one_filter_bank_by_options_and_thread() -> None:
    mine = filter_bank(FbankConfig())
    assert filter_bank(FbankConfig()) is mine
    assert filter_bank(FbankConfig(num_mel_bins=41)) is not mine
    found: list[FilterBank] = []
    thread = threading.Thread(target=lambda: found.append(filter_bank(FbankConfig())))
    thread.start()
    thread.join()
    assert found[0] is not mine
