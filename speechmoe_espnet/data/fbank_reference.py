"""Reference filter banks by torchaudio: slow, for the tests of the fast ones."""

import torch
from torch import Tensor
from torchaudio.compliance import kaldi

from speechmoe_espnet.data.fbank_config import FbankConfig


def reference_fbank(samples: Tensor, config: FbankConfig, seed: int = 0) -> Tensor:
    """Compute filter banks with torchaudio.

    Args:
        samples: (num_samples,) float32 in the range of 16-bit samples; at least one frame.
        config: Options; `deltas` and `resample` are ignored here.
        seed: Seed of the dither.

    Returns:
        (num_frames, num_mel_bins), natural logarithms.
    """
    with torch.random.fork_rng(devices=[], enabled=config.dither > 0):
        if config.dither > 0:
            torch.manual_seed(seed)
        return kaldi.fbank(
            samples.unsqueeze(0),
            num_mel_bins=config.num_mel_bins,
            frame_length=config.frame_length,
            frame_shift=config.frame_shift,
            sample_frequency=config.sample_frequency,
            low_freq=config.low_freq,
            high_freq=config.high_freq,
            dither=config.dither,
        )
