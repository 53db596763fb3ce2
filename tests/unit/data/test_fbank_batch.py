"""Filter banks of batches: those of the extraction, for every utterance, with gradients."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from speechmoe_espnet.data.fbank_batch import batch_fbank
from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.features import compute_features

TOLERANCE = 1e-3


def extracted(samples: np.ndarray, config: FbankConfig) -> torch.Tensor:
    return torch.from_numpy(compute_features(samples, config.sample_frequency, config))


def speech(num_samples: int, seed: int, level: float = 3000.0, offset: float = 0.0) -> np.ndarray:
    """Noise that is coloured and varies, as 16-bit samples."""
    rng = np.random.default_rng(seed)
    noise = np.convolve(rng.standard_normal(num_samples), [1, 0.9, 0.5], mode="same")
    loudness = 10 ** rng.uniform(-3, 0, 1 + num_samples // 800).repeat(800)[:num_samples]
    return np.round(offset + level * loudness * noise).clip(-32768, 32767).astype(np.int16)


@st.composite
def configs(draw: st.DrawFn) -> FbankConfig:
    rate = draw(st.sampled_from([8000, 16000, 44100]))
    return FbankConfig(
        num_mel_bins=draw(st.integers(4, 80)),
        frame_length=draw(st.floats(5, 40)),
        frame_shift=draw(st.floats(2, 40)),
        sample_frequency=rate,
        low_freq=draw(st.floats(0, 500)),
        high_freq=draw(st.floats(-500, 0) | st.floats(2000, rate / 2)),
        deltas=draw(st.booleans()),
    )


@given(
    configs(),
    st.lists(st.integers(0, 9000), min_size=1, max_size=4),
    st.integers(0, 2**32 - 1),
    st.floats(1, 20000),
    st.floats(-5000, 5000),
    st.booleans(),
)
@settings(max_examples=60)
@example(FbankConfig(), [0, 8000, 1], 0, 3000.0, 0.0, False)
@example(FbankConfig(deltas=True), [0, 160, 8000], 0, 3000.0, 100.0, True)
def test_a_batch_has_the_features_of_each_utterance_alone(
    config: FbankConfig, more: list[int], seed: int, level: float, offset: float, as_int: bool
) -> None:
    parts = [
        speech(config.frame_samples + extra, seed + number, level, offset)
        for number, extra in enumerate(more)
    ]
    lengths = torch.tensor([len(part) for part in parts])
    # What stands in padding has no effect, whatever it is.
    batch = torch.full((len(parts), int(lengths.max()) + 77), 12345, dtype=torch.int16)
    for row, part in zip(batch, parts, strict=True):
        row[: len(part)] = torch.from_numpy(part)
    features, num_frames = batch_fbank(batch if as_int else batch / 32768, lengths, config)
    for row, count, part in zip(features, num_frames.tolist(), parts, strict=True):
        expected = extracted(part, config)
        assert count == len(expected)
        torch.testing.assert_close(row[:count], expected, atol=TOLERANCE, rtol=0)
        assert not row[count:].any()


@pytest.mark.parametrize(
    "samples",
    [np.zeros(3000), np.full(3000, 1000), np.tile([32767, -32768], 1500), np.eye(1, 3000)[0]],
    ids=["silence", "constant", "square", "click"],
)
def test_extreme_signals(samples: np.ndarray) -> None:
    samples = samples.astype(np.int16)
    got, _ = batch_fbank(torch.from_numpy(samples)[None], torch.tensor([3000]), FbankConfig())
    expected = extracted(samples, FbankConfig())
    torch.testing.assert_close(got[0], expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("deltas", [False, True])
def test_gradients_are_those_of_the_function(deltas: bool) -> None:
    config = FbankConfig(num_mel_bins=4, frame_length=2, frame_shift=1.5, deltas=deltas)
    samples = torch.from_numpy(speech(80, 1)).double() / 32768
    samples = samples[None].repeat(2, 1).requires_grad_()
    lengths = torch.tensor([80, 60])
    assert torch.autograd.gradcheck(
        lambda x: batch_fbank(x, lengths, config)[0], samples, eps=1e-7, atol=1e-3
    )


def test_dither_is_new_for_every_frame_and_call() -> None:
    config = FbankConfig(dither=100.0, frame_shift=25.0)
    silence, lengths = torch.zeros(1, 1200), torch.tensor([1200])
    plain, _ = batch_fbank(silence, lengths, config)
    first, second = (batch_fbank(silence, lengths, config, dither=True)[0] for _ in range(2))
    assert (first > plain + 1).all()
    assert not torch.allclose(first, second)
    assert not torch.allclose(first[0, 0], first[0, 1])


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_floats_keep_their_type(kind: torch.dtype) -> None:
    samples = torch.from_numpy(speech(4000, 2)) / 32768
    got, _ = batch_fbank(samples.to(kind)[None], torch.tensor([4000]), FbankConfig())
    assert got.dtype == kind
    expected = extracted(samples.to(kind).float().numpy(), FbankConfig())
    error = 2e-3 + 20 * torch.finfo(kind).eps
    torch.testing.assert_close(got[0].float(), expected, atol=error, rtol=0)


def test_constants_made_in_inference_serve_training() -> None:
    config = FbankConfig(num_mel_bins=23)
    samples = torch.from_numpy(speech(4000, 3))[None] / 32768
    with torch.inference_mode():
        batch_fbank(samples, torch.tensor([4000]), config)
    samples = samples.clone().requires_grad_()
    batch_fbank(samples, torch.tensor([4000]), config)[0].sum().backward()
    assert samples.grad is not None
    assert samples.grad.abs().sum() > 0


def test_an_utterance_shorter_than_a_frame_has_none() -> None:
    features, num_frames = batch_fbank(
        torch.rand(2, 800), torch.tensor([800, 399]), FbankConfig(deltas=True)
    )
    assert num_frames.tolist() == [3, 0]
    assert not features[1].any()
