"""CTC greedy (best path) search, the fast default.

Shapes: B utterances, T encoder frames, V units.
"""

import torch

from speechmoe_espnet.decode.hypothesis import Hypothesis


def ctc_greedy_search(
    log_probs: torch.Tensor, lengths: torch.Tensor, blank_id: int = 0
) -> list[Hypothesis]:
    """Find the best path of each utterance, then collapse repeats and drop blanks.

    Args:
        log_probs: Log-probabilities of units, (B, T, V); padding is ignored.
        lengths: Number of valid frames, (B,), each at most T.
        blank_id: Id of the blank unit.

    Returns:
        One hypothesis per utterance, scored by the log-probability of its best path, with the
        frames of each unit.

    Raises:
        ValueError: If shapes or lengths do not fit together.
    """
    lengths = check_posteriors(log_probs, lengths, blank_id)
    frames = torch.arange(log_probs.size(1), device=log_probs.device)
    valid = frames < lengths[:, None]
    best_log_probs, best_units = log_probs.max(dim=2)
    scores = torch.where(valid, best_log_probs.double(), 0.0).sum(dim=1)
    path = best_units.masked_fill(~valid, blank_id)
    changes = torch.nn.functional.pad(path, (1, 1), value=blank_id).diff(dim=1) != 0
    emits = (path != blank_id) & changes[:, :-1]
    units = path[emits].tolist()
    first_frames = emits.nonzero()[:, 1].tolist()
    last_frames = ((path != blank_id) & changes[:, 1:]).nonzero()[:, 1].tolist()
    unit_frames = [(first, last + 1) for first, last in zip(first_frames, last_frames, strict=True)]
    ends = emits.sum(dim=1).cumsum(dim=0).tolist()
    starts = [0, *ends[:-1]]
    return [
        Hypothesis(
            tuple(units[start:end]),
            score,
            acoustic_score=score,
            unit_frames=tuple(unit_frames[start:end]),
        )
        for start, end, score in zip(starts, ends, scores.tolist(), strict=True)
    ]


def check_posteriors(log_probs: torch.Tensor, lengths: torch.Tensor, blank_id: int) -> torch.Tensor:
    """Check that the inputs of a search fit together.

    Args:
        log_probs: Log-probabilities of units, (B, T, V).
        lengths: Number of valid frames, (B,).
        blank_id: Id of the blank unit.

    Returns:
        The lengths on the device of the log-probabilities.

    Raises:
        ValueError: If shapes, lengths or the blank id are impossible.
    """
    if log_probs.dim() != 3 or lengths.shape != log_probs.shape[:1]:
        raise ValueError(
            "log_probs must be (batch, frames, units) and lengths (batch,), "
            f"got {tuple(log_probs.shape)} and {tuple(lengths.shape)}"
        )
    if not 0 <= blank_id < log_probs.size(2):
        raise ValueError(f"blank_id must be in [0, {log_probs.size(2)}), got {blank_id}")
    if lengths.numel() and not 0 <= int(lengths.min()) <= int(lengths.max()) <= log_probs.size(1):
        raise ValueError(
            f"lengths must be in [0, {log_probs.size(1)}] (frames of log_probs), "
            f"got {lengths.tolist()}"
        )
    return lengths.to(log_probs.device)
