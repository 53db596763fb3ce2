"""Log-mel filter banks as Kaldi computes them: the input of the paper."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from speechmoe_espnet.data.deltas import append_deltas
from speechmoe_espnet.data.fbank import filter_bank
from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.samples import Samples, resampled

__all__ = ["FbankConfig", "add_deltas", "compute_features", "one_torch_thread"]


def compute_features(
    samples: Samples, rate: int, config: FbankConfig, utterance: str = ""
) -> NDArray[np.float32]:
    """Compute the features of one utterance.

    Args:
        samples: (num_samples,) float in [-1, 1), or int16; both give the same features.
        rate: Sample rate of the samples in Hz.
        config: Options.
        utterance: Utterance id, the seed of the dither.

    Returns:
        (num_frames, config.feature_size), natural logarithms.

    Raises:
        ValueError: The sample rate differs from the options and `resample` is not set, there are
            too few samples for one frame, or a feature is not finite.
    """
    if rate != config.sample_frequency:
        if not config.resample:
            raise ValueError(
                f"sample rate is {rate} Hz, {config.sample_frequency} is expected; set "
                f"`resample: true` to convert it, or sample_frequency to the corpus's rate"
            )
        samples = resampled(samples, rate, config.sample_frequency)
    if len(samples) < config.frame_samples:
        milliseconds = 1000 * len(samples) / config.sample_frequency
        raise ValueError(
            f"lasts {milliseconds:.1f} ms, too short for one frame of {config.frame_length} ms"
        )
    if samples.dtype != np.int16:
        samples = samples.astype(np.float32, copy=False)
    fbank = filter_bank(config)(torch.from_numpy(samples), seed=zlib.crc32(utterance.encode()))
    features: NDArray[np.float32] = fbank.numpy()
    if not np.isfinite(features).all():
        raise ValueError("features are not finite")
    return add_deltas(features) if config.deltas else features


def add_deltas(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Append first and second differences as Kaldi's add-deltas does (window 2).

    Args:
        features: (num_frames, size).

    Returns:
        (num_frames, 3 * size).
    """
    batch = torch.from_numpy(features)[None]
    appended: NDArray[np.float32] = append_deltas(batch, torch.tensor([len(features)]))[0].numpy()
    return appended


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch use one thread: processes share the cores, and results do not change."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
