"""Fast log-mel filter banks; all that depends on the options alone is computed once.

Kaldi subtracts the mean of each frame, then pre-emphasises, then applies the window. Here the whole
signal is pre-emphasised at once, and (1 - c) times the mean is subtracted from each frame, where c
is the pre-emphasis coefficient. Both orders differ only at the first sample of a frame, where the
Povey window is 0, so the results agree up to rounding. For the same reason, the sample before a
block of frames does not matter.

Shapes: N samples, M frames, L samples per frame, P = L rounded up to a power of two, B mel filters.
"""

import threading
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torchaudio.compliance import kaldi

from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.samples import INT16_SCALE

PREEMPHASIS = 0.97
FLOOR = torch.finfo(torch.float32).eps
BLOCK_FRAMES = 512


def povey_window(config: FbankConfig) -> Tensor:
    """Return Kaldi's default window (L,)."""
    return torch.hann_window(config.frame_samples, periodic=False).pow(0.85)


def fft_size(config: FbankConfig) -> int:
    """Return P."""
    return 1 << (config.frame_samples - 1).bit_length()


def mel_filters(config: FbankConfig) -> Tensor:
    """Return the triangular filters as weights of the power spectrum (P / 2 + 1, B)."""
    banks, _ = kaldi.get_mel_banks(
        config.num_mel_bins,
        fft_size(config),
        config.sample_frequency,
        config.low_freq,
        config.high_freq,
        100.0,
        -500.0,
        1.0,
    )
    return torch.nn.functional.pad(banks, (0, 1)).T.contiguous()


class FilterBank:
    """Filter banks for one set of options. An object may be used by one thread at a time.

    Frames are processed in blocks of BLOCK_FRAMES in buffers that are reused: allocating memory for
    every utterance takes as long as the arithmetic.

    Args:
        config: Options; `deltas` and `resample` are ignored here.
    """

    def __init__(self, config: FbankConfig) -> None:
        self.num_frames = config.num_frames
        self.shift = config.shift_samples
        self.length = config.frame_samples
        self.dither = config.dither
        self.window = povey_window(config)
        self.mel = mel_filters(config)
        num_samples = (BLOCK_FRAMES - 1) * self.shift + self.length
        self._samples = torch.zeros(num_samples)
        self._emphasised = torch.zeros(num_samples)
        self._padded = torch.zeros(BLOCK_FRAMES, fft_size(config))
        self._power = np.empty((BLOCK_FRAMES, len(self.mel)), np.float32)
        self._square = np.empty_like(self._power)

    def __call__(self, samples: Tensor, seed: int = 0) -> Tensor:
        """Compute the features of one utterance.

        Args:
            samples: (N,) int16, or float32 in [-1, 1); N is at least L.
            seed: Seed of the dither.

        Returns:
            (M, B) float32, natural logarithms.
        """
        num_frames = self.num_frames(len(samples))
        energies = torch.empty(num_frames, self.mel.shape[1])
        noise = self._noise(num_frames, seed) if self.dither > 0 else None
        for first in range(0, num_frames, BLOCK_FRAMES):
            block = slice(first, min(first + BLOCK_FRAMES, num_frames))
            count = block.stop - first
            begin = first * self.shift
            here = samples[begin : begin + (count - 1) * self.shift + self.length]
            if noise is None:
                self._cut(here, count)
            else:
                self._cut_and_dither(here, noise[block])
            power = self._squared_magnitude(torch.fft.rfft(self._padded[:count]))
            torch.mm(power, self.mel, out=energies[block])
        return energies.clamp_(min=FLOOR).log_()

    def _cut(self, samples: Tensor, count: int) -> None:
        """Write windowed frames into the padded block."""
        scaled = self._scaled(samples)
        emphasised = self._emphasised[: len(samples)]
        torch.sub(scaled[1:], scaled[:-1], alpha=PREEMPHASIS, out=emphasised[1:])
        self._window(self._frames(scaled, count), self._frames(emphasised, count))

    def _cut_and_dither(self, samples: Tensor, noise: Tensor) -> None:
        """Write windowed frames with noise (m, L) into the padded block; overwrites the noise."""
        frames = noise.mul_(self.dither).add_(self._frames(self._scaled(samples), len(noise)))
        emphasised = torch.zeros_like(frames)
        torch.sub(frames[:, 1:], frames[:, :-1], alpha=PREEMPHASIS, out=emphasised[:, 1:])
        self._window(frames, emphasised)

    def _noise(self, num_frames: int, seed: int) -> Tensor:
        """Draw noise (M, L): Kaldi draws new dither for every frame, also where frames overlap."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(num_frames, self.length, generator=generator)

    def _scaled(self, samples: Tensor) -> Tensor:
        scaled = self._samples[: len(samples)]
        if samples.dtype == torch.int16:
            return scaled.copy_(samples)
        return torch.mul(samples, INT16_SCALE, out=scaled)

    def _frames(self, samples: Tensor, count: int) -> Tensor:
        return samples.as_strided((count, self.length), (self.shift, 1))

    def _window(self, frames: Tensor, emphasised: Tensor) -> None:
        leftover = frames.mean(1, keepdim=True).mul_(1 - PREEMPHASIS)
        block = self._padded[: len(frames), : self.length]
        torch.sub(emphasised, leftover, out=block).mul_(self.window)

    def _squared_magnitude(self, spectrum: Tensor) -> Tensor:
        # NumPy squares interleaved real and imaginary parts faster than torch.
        parts = spectrum.numpy()
        power, square = self._power[: len(parts)], self._square[: len(parts)]
        with np.errstate(over="ignore"):
            np.square(parts.real, out=power)
            power += np.square(parts.imag, out=square)
        return torch.from_numpy(power)


def filter_bank(config: FbankConfig) -> FilterBank:
    """Return this thread's filter banks for the options, created once."""
    return _filter_bank(config, threading.get_ident())


@lru_cache(maxsize=8)
def _filter_bank(config: FbankConfig, thread: int) -> FilterBank:
    return FilterBank(config)
