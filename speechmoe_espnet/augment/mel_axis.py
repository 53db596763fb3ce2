"""Mel axis: centres of the filters, vocal tract length warping, smooth curves over it.

Shapes: B utterances, T frames, F mel bins.
"""

import math

import torch
from torch import Tensor

# Above this frequency the warped axis bends back to meet the end of the band (Jaitly and Hinton,
# "Vocal Tract Length Perturbation (VTLP) improves speech recognition", 2013), as a share of it.
VTLP_KNEE = 0.6


class MelAxis:
    """Centres of Kaldi's mel filters, and curves over them.

    Args:
        num_bins: F.
        low_freq: Lower edge of the lowest filter, Hz.
        high_freq: Upper edge of the highest filter, Hz.
    """

    def __init__(self, num_bins: int, low_freq: float, high_freq: float) -> None:
        self.low = float(mel(torch.tensor(low_freq, dtype=torch.float64)))
        high = float(mel(torch.tensor(high_freq, dtype=torch.float64)))
        self.step = (high - self.low) / (num_bins + 1)
        self.high_freq = high_freq
        self.num_bins = num_bins
        edges = hertz(self.low + self.step * torch.arange(num_bins + 2, dtype=torch.float64))
        self.centres = edges[1:-1].float()
        self.bandwidths = ((edges[2:] - edges[:-2]) / 2).float()

    def warped_positions(self, alpha: Tensor) -> Tensor:
        """Positions on the axis at which the bins of a warped utterance are read.

        Args:
            alpha: Factors (B,).

        Returns:
            Positions (B, F) from 0 to F - 1: bin i of frequency f is read at the bin of
            G(f) = f alpha up to the knee, and linearly from there to the end of the band.
        """
        centres = self.centres.to(alpha.device)
        factor = alpha.unsqueeze(1)
        knee = self.high_freq * VTLP_KNEE * factor.clamp(max=1.0) / factor
        slope = (self.high_freq - knee * factor) / (self.high_freq - knee)
        read = torch.where(
            centres <= knee, centres * factor, self.high_freq - slope * (self.high_freq - centres)
        )
        positions = (mel(read) - self.low) / self.step - 1
        # A factor of 1 must leave features as they are, in spite of rounding.
        bins = torch.arange(self.num_bins, device=alpha.device, dtype=positions.dtype)
        positions = torch.where(factor == 1.0, bins, positions)
        return positions.clamp(0.0, self.num_bins - 1.0)


def mel(frequency: Tensor) -> Tensor:
    """Mel scale of Kaldi's filters: 1127 ln(1 + f / 700)."""
    return 1127.0 * torch.log1p(frequency / 700.0)


def hertz(mels: Tensor) -> Tensor:
    """Inverse of `mel`."""
    return 700.0 * torch.expm1(mels / 1127.0)


def warp_frequency(x: Tensor, positions: Tensor) -> Tensor:
    """Read mel bins between bins, by linear interpolation.

    A product with a matrix of two values a column: faster than a gather along the last axis.

    Args:
        x: Features (B, T, F).
        positions: Where each bin is read (B, F), from 0 to F - 1.

    Returns:
        (B, T, F).
    """
    bins = torch.arange(x.size(2), device=x.device, dtype=x.dtype).unsqueeze(1)
    weights = (1 - (positions.unsqueeze(1) - bins).abs()).clamp_(min=0.0)
    return torch.bmm(x, weights)


def smooth_basis(num_bins: int, num_curves: int = 4) -> Tensor:
    """Cosines over the mel axis whose sum with standard normal weights varies by 1.

    Args:
        num_bins: F.
        num_curves: K; the k-th has k half periods and 1/k of the first one's size.

    Returns:
        (K, F), float32; every one sums to 0, and the squares of all average to 1 over bins.
    """
    order = torch.arange(1, num_curves + 1, dtype=torch.float64).unsqueeze(1)
    place = (torch.arange(num_bins, dtype=torch.float64) + 0.5) / num_bins
    curves = torch.cos(math.pi * order * place) / order
    return (curves / curves.square().mean(dim=1).sum().sqrt()).float()
