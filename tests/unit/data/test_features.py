"""Features against a slow numpy implementation of Kaldi's documentation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from speechmoe_espnet.data.features import FbankConfig, add_deltas, compute_features

Floats = NDArray[np.float64]


def speechlike(num_samples: int, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    time = np.arange(num_samples) / 16000
    tones = sum(np.sin(2 * np.pi * f * time + f) / f for f in (180, 360, 720, 2500)) * 30
    return (0.3 * tones + 0.01 * rng.standard_normal(num_samples)).astype(np.float32)


def mel(frequency: Floats | float) -> Floats:
    return 1127.0 * np.log1p(np.asarray(frequency) / 700.0)


def reference_fbank(samples: NDArray[np.float32], config: FbankConfig) -> Floats:
    rate = config.sample_frequency
    length = int(rate * config.frame_length / 1000)
    shift = int(rate * config.frame_shift / 1000)
    size = 1 << (length - 1).bit_length()
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / (length - 1))) ** 0.85
    high = config.high_freq if config.high_freq > 0 else rate / 2 + config.high_freq
    edges = np.linspace(mel(config.low_freq), mel(high), config.num_mel_bins + 2)
    bins = mel(np.arange(size // 2 + 1) * rate / size)
    rows = []
    for first in range(0, len(samples) - length + 1, shift):
        frame = samples[first : first + length].astype(np.float64) * 32768
        frame = frame - frame.mean()
        frame = frame - 0.97 * np.concatenate([frame[:1], frame[:-1]])
        power = np.abs(np.fft.rfft(frame * window, size)) ** 2
        row = []
        for left, centre, right in zip(edges, edges[1:], edges[2:], strict=False):
            weights = np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre))
            row.append(np.log(max((np.maximum(weights, 0) * power).sum(), 1.1920929e-07)))
        rows.append(row)
    return np.array(rows)


def reference_deltas(features: Floats) -> Floats:
    first = np.array([-2, -1, 0, 1, 2]) / 10
    parts = [features]
    for scales in (first, np.convolve(first, first)):
        half = len(scales) // 2
        part = np.zeros_like(features)
        for frame in range(len(features)):
            for offset, scale in zip(range(-half, half + 1), scales, strict=True):
                part[frame] += scale * features[min(max(frame + offset, 0), len(features) - 1)]
        parts.append(part)
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize(
    "config",
    [
        FbankConfig(),
        FbankConfig(num_mel_bins=80, high_freq=-400),
        FbankConfig(sample_frequency=8000, low_freq=64, high_freq=3800),
        FbankConfig(frame_length=32, frame_shift=8),
    ],
)
def test_as_defined(config: FbankConfig) -> None:
    samples = speechlike(9000)
    got = compute_features(samples, config.sample_frequency, config, "a")
    expected = reference_fbank(samples, config)
    assert got.shape == expected.shape
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=1e-3)


def test_deltas_as_defined() -> None:
    samples = speechlike(4000)
    plain = compute_features(samples, 16000, FbankConfig(), "a")
    deltas = compute_features(samples, 16000, FbankConfig(deltas=True), "a")
    assert deltas.shape == (len(plain), 120)
    assert deltas.dtype == np.float32
    np.testing.assert_allclose(deltas, reference_deltas(plain.astype(np.float64)), atol=1e-4)


@given(st.integers(1, 12))
@settings(max_examples=12)
def test_deltas_of_short_input(num_frames: int) -> None:
    features = np.random.default_rng(num_frames).standard_normal((num_frames, 3))
    got = add_deltas(features.astype(np.float32))
    np.testing.assert_allclose(got, reference_deltas(features), atol=1e-5)


@pytest.mark.parametrize(("num_samples", "num_frames"), [(400, 1), (559, 1), (560, 2), (16000, 98)])
def test_whole_frames_only(num_samples: int, num_frames: int) -> None:
    features = compute_features(speechlike(num_samples), 16000, FbankConfig(), "a")
    assert features.shape == (num_frames, 40)


def test_silence_is_finite() -> None:
    features = compute_features(np.zeros(1000, np.float32), 16000, FbankConfig(), "a")
    assert np.isfinite(features).all()


def test_dither_depends_on_the_utterance_only() -> None:
    samples = speechlike(1000)
    config = FbankConfig(dither=1.0)
    before = torch.random.get_rng_state()
    first = compute_features(samples, 16000, config, "a")
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(7)
    np.testing.assert_array_equal(compute_features(samples, 16000, config, "a"), first)
    assert not np.array_equal(compute_features(samples, 16000, config, "b"), first)


def test_too_short() -> None:
    with pytest.raises(ValueError, match=r"lasts 24.9 ms, too short for one frame of 25.0 ms"):
        compute_features(speechlike(399), 16000, FbankConfig(), "a")


def test_sample_rate() -> None:
    samples = speechlike(16000)
    with pytest.raises(ValueError, match="sample rate is 8000 Hz, 16000 is expected; set"):
        compute_features(samples, 8000, FbankConfig(), "a")
    resampled = compute_features(samples, 32000, FbankConfig(resample=True), "a")
    assert resampled.shape == (48, 40)


def test_sixteen_bit_samples_give_the_same_bytes() -> None:
    samples = (speechlike(16000) * 32768).round().clip(-32768, 32767).astype(np.int16)
    floats = samples.astype(np.float32) / 32768
    for config in (FbankConfig(), FbankConfig(sample_frequency=8000, resample=True)):
        got = compute_features(samples, 16000, config, "a")
        np.testing.assert_array_equal(got, compute_features(floats, 16000, config, "a"))


@pytest.mark.parametrize("rate", [8000, 22050, 32000, 44100, 48000])
def test_resampling_keeps_the_common_band(rate: int) -> None:
    def sound(rate: int) -> NDArray[np.float32]:
        time = np.arange(rate) / rate
        partials = [np.sin(2 * np.pi * f * time + f * f) for f in np.arange(30, 3800, 31.0)]
        return (0.01 * np.sum(partials, axis=0)).astype(np.float32)

    config = FbankConfig(high_freq=3500, resample=True)
    got = compute_features(sound(rate), rate, config, "a")
    expected = compute_features(sound(16000), 16000, config, "a")
    # Resampling smooths the steps at the ends of a recording.
    np.testing.assert_allclose(got[5:-5], expected[5:-5], atol=0.01)


def test_huge_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="features are not finite"):
        compute_features(speechlike(1000) * np.float32(1e30), 16000, FbankConfig(), "a")
