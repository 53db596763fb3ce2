"""Selection of the frames and candidate units that a prefix search tries.

Shapes: B utterances, T frames, V units, U candidate units per frame.
"""

import math
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Frames:
    """Frames to search.

    In a closed frame every prefix stays the same, by blank. Padding is closed, with log-probability
    0 of blank, and so changes no score.

    Attributes:
        log_probs: Log-probabilities of units, (B, T, V).
        blank: Log-probability of blank, float64, (B, T).
        is_open: Whether units are tried, (B, T).
    """

    log_probs: torch.Tensor
    blank: torch.Tensor
    is_open: torch.Tensor


def open_frames(
    log_probs: torch.Tensor, lengths: torch.Tensor, blank_id: int, blank_threshold: float | None
) -> Frames:
    """Separate open frames from closed ones; a run of certain blanks becomes one closed frame.

    Args:
        log_probs: Log-probabilities of units, (B, T, V).
        lengths: Number of valid frames, (B,), on the same device.
        blank_id: Id of the blank unit.
        blank_threshold: Frames with at least this blank probability are closed; None: never.

    Returns:
        The frames; their number is that of the utterance with the most frames left, at most T.
    """
    valid = torch.arange(log_probs.size(1), device=log_probs.device) < lengths[:, None]
    blank = torch.where(valid, log_probs[:, :, blank_id].double(), 0.0)
    if blank_threshold is None:
        return Frames(log_probs, blank, valid)

    certain = valid & (blank >= math.log(blank_threshold))
    after_certain = torch.nn.functional.pad(certain, (1, 0))[:, :-1]
    kept = valid & ~(certain & after_certain)
    place = (kept.cumsum(dim=1) - 1).clamp(min=0)
    num_kept = int(kept.sum(dim=1).max()) if kept.numel() else 0
    shape = (log_probs.size(0), num_kept)
    if num_kept == 0:
        return Frames(log_probs[:, :0], blank[:, :0], valid[:, :0])
    blank = blank.new_zeros(shape).scatter_add_(1, place, blank)
    is_open = torch.zeros(shape, dtype=torch.long, device=valid.device)
    is_open.scatter_add_(1, place, (valid & ~certain).long())
    frame_ids = torch.arange(valid.size(1), device=valid.device).expand_as(valid)
    source = torch.zeros(shape, dtype=torch.long, device=valid.device)
    source.scatter_add_(1, place, torch.where(kept, frame_ids, 0))
    rows = torch.arange(shape[0], device=valid.device)[:, None]
    return Frames(log_probs[rows, source], blank, is_open > 0)


def best_units(frames: Frames, num_units: int, blank_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the most probable units of each frame, blank excluded.

    One more unit than asked for is looked up; blank, or else the last unit, is then masked.

    Args:
        frames: What `open_frames` returns.
        num_units: Number of units, less than V.
        blank_id: Id of the blank unit.

    Returns:
        Unit ids and log-probabilities (float64), (B, T, num_units + 1); masked units and
        those of closed frames have log-probability minus infinity.
    """
    log_probs, units = frames.log_probs.topk(num_units + 1, dim=2)
    masked = units == blank_id
    masked[:, :, -1] |= ~masked.any(dim=2)
    masked |= ~frames.is_open[:, :, None]
    return units, log_probs.double().masked_fill_(masked, -math.inf)
