"""Masks of SpecAugment whose values are the utterance's mean rather than 0.

Park et al., "SpecAugment", arXiv 1904.08779. ESPnet applies masks before normalisation, where
features are natural logarithms of 16-bit energies and 0 is a level of its own. The mean of each mel
bin over the utterance adds no information.

Shapes: B utterances, T frames, F mel bins, N masks.
"""

import torch
from torch import Tensor


def masked_places(
    start: Tensor, width: Tensor, widest: Tensor, extent: Tensor, size: int
) -> Tensor:
    """Mask of the places along an axis that are masked.

    Args:
        start: Where masks begin, as a share of where they may (B, N), from 0 to below 1.
        width: Their widths (B, N), likewise: whole numbers from 0 to `widest` are equally likely.
        widest: Greatest width (B,); its fraction is cut off.
        extent: Valid places (B,), at least `widest`: masks lie within them.
        size: Length of the axis.

    Returns:
        (B, size), bool.
    """
    widest, extent = widest.floor().unsqueeze(1), extent.unsqueeze(1)
    # A share just below 1 may be rounded up to 1 by the product.
    width = torch.minimum((width * (widest + 1)).floor(), widest)
    first = torch.minimum((start * (extent - width + 1)).floor(), extent - width)
    places = torch.arange(size, device=start.device)
    first, end = first.unsqueeze(2), (first + width).unsqueeze(2)
    return ((places >= first) & (places < end)).any(dim=1)


def fill_with_mean(x: Tensor, weights: Tensor, times: Tensor | None, bins: Tensor | None) -> Tensor:
    """Set masked values to the mean of their mel bin over the utterance.

    Args:
        x: Features (B, T, F).
        weights: Weights of the frames in the mean (B, T), sum 1 per utterance, 0 in padding.
        times: Masked frames (B, T), bool, or None.
        bins: Masked mel bins (B, F), bool, or None.

    Returns:
        (B, T, F).
    """
    if times is None and bins is None:
        return x
    mean = torch.bmm(weights.unsqueeze(1), x)
    keep = torch.ones((), device=x.device)
    if times is not None:
        keep = keep * ~times.unsqueeze(2)
    if bins is not None:
        keep = keep * ~bins.unsqueeze(1)
    # Exact at both ends, and several times faster than torch.where.
    return torch.lerp(mean, x, keep)
