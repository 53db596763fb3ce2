"""Tempo: the time axis of features resampled by a factor per utterance.

Shapes: B utterances, T frames before and U after, F values a frame.
"""

import torch
from torch import Tensor


def resampled_lengths(lengths: Tensor, speed: Tensor) -> Tensor:
    """Number of frames of utterances after a change of speed.

    A greater factor never gives more frames, so the greatest factor gives the smallest number.

    Args:
        lengths: Frames (B,), at least 1.
        speed: Factors (B,) or (), float32, above 0.

    Returns:
        floor((lengths - 1) / speed) + 1, at least 1, (B,) as `lengths`.
    """
    return ((lengths - 1).clamp(min=0) / speed).floor().to(lengths.dtype) + 1


def resample_time(x: Tensor, lengths: Tensor, speed: Tensor, num_frames: int) -> Tensor:
    """Read utterances at other speeds, by linear interpolation between frames.

    Args:
        x: Features (B, T, F).
        lengths: Valid frames (B,) before; padding is not read.
        speed: Factors (B,): frame u comes from position u * speed.
        num_frames: U.

    Returns:
        (B, U, F); beyond the end of an utterance its last frame is repeated.
    """
    frames = torch.arange(num_frames, device=x.device)
    last = (lengths - 1).clamp(min=0).unsqueeze(1)
    position = torch.minimum(frames * speed.unsqueeze(1), last.to(x.dtype))
    left = position.long()
    first_rows = torch.arange(len(x), device=x.device).unsqueeze(1) * x.size(1)
    rows = x.reshape(-1, x.size(2))
    before = rows.index_select(0, (left + first_rows).flatten())
    after = rows.index_select(0, (torch.minimum(left + 1, last) + first_rows).flatten())
    fraction = (position - left).view(-1, 1)
    return torch.lerp(before, after, fraction).view(len(x), num_frames, -1)


def repeat_last_frame(x: Tensor, lengths: Tensor) -> Tensor:
    """Copy features (B, T, F), padding replaced by the last of `lengths` (B,) valid frames."""
    frames = torch.arange(x.size(1), device=x.device)
    rows = torch.minimum(frames, (lengths - 1).clamp(min=0).unsqueeze(1))
    rows = rows + torch.arange(len(x), device=x.device).unsqueeze(1) * x.size(1)
    return x.reshape(-1, x.size(2)).index_select(0, rows.flatten()).view_as(x)
