"""Padding mask of a batch in memory linear in its length."""

import torch


def pad_mask(
    lengths: torch.Tensor,
    xs: torch.Tensor | None,
    length_dim: int,
    maxlen: int | None = None,
) -> torch.Tensor:
    """Padding mask as ESPnet's `make_pad_mask` defines it, True in padding.

    Args:
        lengths: (B,).
        xs: Tensor of 2 or 3 dimensions whose shape the mask gets; None for (B, maxlen).
        length_dim: Dimension of xs that the lengths count.
        maxlen: Width of the mask without xs; None for the greatest length.
    """
    if xs is None:
        longest = int(lengths.max()) if maxlen is None else maxlen
    else:
        longest = xs.shape[length_dim]
    mask = torch.arange(longest, device=(lengths if xs is None else xs).device)
    mask = mask >= lengths.to(mask.device).unsqueeze(1)
    if xs is None or xs.dim() == 2:
        return mask
    return mask.unsqueeze(2 if length_dim == 1 else 1).expand_as(xs)
