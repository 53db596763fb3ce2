"""Log-mel filter banks of batches of waveforms: differentiable, on any device.

The arithmetic is that of `fbank`, in the same order, so that a model which computes its features
itself gets those that it was trained on.

Shapes: B utterances, N samples, M frames, L samples per frame, F values per frame.
"""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from speechmoe_espnet.data.deltas import append_deltas
from speechmoe_espnet.data.fbank import FLOOR, PREEMPHASIS, fft_size, mel_filters, povey_window
from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.samples import INT16_SCALE


def batch_fbank(
    samples: Tensor, lengths: Tensor, config: FbankConfig, *, dither: bool = False
) -> tuple[Tensor, Tensor]:
    """Compute the features of a batch.

    Args:
        samples: (B, N) floats in [-1, 1), or integers in the range of 16 bits; N is at least L.
        lengths: Valid samples (B,).
        config: Options; `resample` is ignored here.
        dither: Whether to add noise of `config.dither`, new for every frame and every call.

    Returns:
        Features (B, M, F), natural logarithms, 0 in padding, and valid frames (B,), 0 for an
        utterance that is shorter than a frame. Floats keep their type; the computation is in
        float32, or in float64 for float64.
    """
    is_float = samples.is_floating_point()
    kind = samples.dtype if is_float else torch.float32
    exact = torch.float64 if kind == torch.float64 else torch.float32
    window, mel = (part.to(exact) for part in _constants(config, samples.device))
    with torch.autocast(samples.device.type, enabled=False):
        scaled = samples.to(exact) * INT16_SCALE if is_float else samples.to(exact)
        frames = scaled.unfold(1, config.frame_samples, config.shift_samples)
        if dither and config.dither > 0:
            frames = frames + config.dither * torch.randn_like(frames)
            emphasised = _emphasise(frames)
        else:
            emphasised = _emphasise(scaled).unfold(1, config.frame_samples, config.shift_samples)
        leftover = frames.mean(-1, keepdim=True) * (1 - PREEMPHASIS)
        spectrum = torch.fft.rfft((emphasised - leftover) * window, n=fft_size(config))
        power = spectrum.real.square() + spectrum.imag.square()
        features = power.matmul(mel).clamp(min=FLOOR).log()
        num_frames = config.num_frames(lengths).clamp(min=0)
        if config.deltas:
            features = append_deltas(features, num_frames)
    times = torch.arange(features.size(1), device=features.device)
    padding = times >= num_frames.to(features.device).unsqueeze(1)
    return features.masked_fill(padding.unsqueeze(2), 0.0).to(kind), num_frames


def _emphasise(samples: Tensor) -> Tensor:
    """Subtract a part of the sample before; the window takes the first sample of a frame away."""
    emphasised = torch.sub(samples[..., 1:], samples[..., :-1], alpha=PREEMPHASIS)
    return functional.pad(emphasised, (1, 0))


@lru_cache(maxsize=8)
def _constants(config: FbankConfig, device: torch.device) -> tuple[Tensor, Tensor]:
    """Window (L,) and mel filters; kept outside of models, which people cast to other types."""
    with torch.inference_mode(False), torch.device("cpu"):
        return povey_window(config).to(device), mel_filters(config).to(device)
