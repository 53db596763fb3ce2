"""Log-mel filter banks, fast: everything that depends on the options alone is made once.

Kaldi takes each frame's mean away, then pre-emphasises, then windows. Here the whole signal is
pre-emphasised at once, and what the mean leaves of it, (1 - c) times the mean, is taken away
from the frames: the same up to rounding, because the Povey window is 0 at a frame's first
sample, the only one where the two differ.

Shapes: N samples, M frames, L samples a frame, P = L rounded up to a power of two, B mel filters.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torchaudio.compliance import kaldi

from speechmoe_espnet.data.fbank_config import FbankConfig

PREEMPHASIS = 0.97
BLOCK_FRAMES = 1024


class FilterBank:
    """Filter banks of one set of options.

    Args:
        config: Options; `deltas` and `resample` mean nothing here.
    """

    def __init__(self, config: FbankConfig) -> None:
        self.shift = config.shift_samples
        self.length = config.frame_samples
        self.dither = config.dither
        self.fft_size = 1 << (self.length - 1).bit_length()
        self.window = torch.hann_window(self.length, periodic=False).pow(0.85)
        banks, _ = kaldi.get_mel_banks(
            config.num_mel_bins,
            self.fft_size,
            config.sample_frequency,
            config.low_freq,
            config.high_freq,
            100.0,
            -500.0,
            1.0,
        )
        self.mel = torch.nn.functional.pad(banks, (0, 1)).T.contiguous()
        self.floor = torch.finfo(torch.float32).eps

    def __call__(self, samples: Tensor, seed: int = 0) -> Tensor:
        """Compute the features of one utterance.

        Blocks of frames bound the memory that a long recording takes.

        Args:
            samples: (N,) float32 in units of 16-bit samples, N at least L.
            seed: Of the dither.

        Returns:
            (M, B) float32, natural logarithms.
        """
        num_frames = 1 + (len(samples) - self.length) // self.shift
        energies = samples.new_empty(num_frames, self.mel.shape[1])
        padded = samples.new_empty(min(num_frames, BLOCK_FRAMES), self.fft_size)
        padded[:, self.length :] = 0
        first = 0
        for frames, emphasised in self._blocks(samples, num_frames, seed):
            count = len(frames)
            block = padded[:count, : self.length]
            leftover = frames.mean(1, keepdim=True).mul_(1 - PREEMPHASIS)
            torch.sub(emphasised, leftover, out=block).mul_(self.window)
            power = _squared_magnitude(torch.fft.rfft(padded[:count]))
            torch.mm(power, self.mel, out=energies[first : first + count])
            first += count
        return energies.clamp_(min=self.floor).log_()

    def _blocks(
        self, samples: Tensor, num_frames: int, seed: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield frames (m, L) before and after pre-emphasis, up to BLOCK_FRAMES at a time."""
        frames = self._frames(samples, num_frames)
        blocks = [slice(n, n + BLOCK_FRAMES) for n in range(0, num_frames, BLOCK_FRAMES)]
        if self.dither > 0:
            # Kaldi's dither differs in each frame that a sample lies in.
            generator = torch.Generator().manual_seed(seed)
            noise = torch.randn(num_frames, self.length, generator=generator)
            for block in blocks:
                dithered = noise[block].mul_(self.dither).add_(frames[block])
                yield dithered, _preemphasise(dithered)
        else:
            emphasised = self._frames(_preemphasise(samples), num_frames)
            for block in blocks:
                yield frames[block], emphasised[block]

    def _frames(self, samples: Tensor, num_frames: int) -> Tensor:
        return samples.as_strided((num_frames, self.length), (self.shift, 1))


@lru_cache(maxsize=8)
def filter_bank(config: FbankConfig) -> FilterBank:
    """Make, or find again, the filter banks of some options."""
    return FilterBank(config)


def _preemphasise(signal: Tensor) -> Tensor:
    """Subtract from each sample the one before it, over the last dimension."""
    result = torch.empty_like(signal)
    result[..., 0] = signal[..., 0]
    torch.sub(signal[..., 1:], signal[..., :-1], alpha=PREEMPHASIS, out=result[..., 1:])
    return result


def _squared_magnitude(spectrum: Tensor) -> Tensor:
    # NumPy squares the interleaved parts faster than torch does.
    parts = spectrum.numpy()
    with np.errstate(over="ignore"):
        power = parts.real * parts.real
        power += parts.imag * parts.imag
    return torch.from_numpy(power)
