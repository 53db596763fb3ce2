"""CTC prefix beam search in which all utterances and beams of a batch advance together.

A loop over frames runs a fixed number of tensor operations; no Python touches a prefix.
`decode.reference` defines what it computes.

Two choices keep it exact:

- Merging. Two prefixes of a beam can only meet where one is the other grown by one unit.
  `shared[j, k]`, the number of leading units that prefixes j and k have in common, is carried
  from frame to frame and tells exactly which prefix is whose parent, also when a parent left
  the beam and came back. Nothing is hashed, so nothing collides.
- Units. Of the extensions of one prefix at most K (beam size) can survive a frame, and at most
  K are out of order of their frame's log-probabilities (those already in the beam, and the
  repeated last unit). The 2K most probable units of a frame therefore give the same beam as
  all of them; this is the default.

Shapes: B utterances, T frames, V units, K beams, U candidate units a frame, L units a prefix.
"""

import math
from dataclasses import dataclass

import torch

from speechmoe_espnet.decode.ctc_greedy import check_posteriors
from speechmoe_espnet.decode.hypothesis import Hypothesis

FRAMES_BETWEEN_GROWTH = 32


def ctc_prefix_beam_search(
    log_probs: torch.Tensor,
    lengths: torch.Tensor,
    *,
    beam_size: int = 10,
    nbest: int = 1,
    max_units: int | None = None,
    blank_threshold: float | None = None,
    blank_id: int = 0,
) -> list[list[Hypothesis]]:
    """Search a batch.

    Args:
        log_probs: Log-probabilities of units, (B, T, V); what lies in padding never matters.
        lengths: Number of valid frames, (B,), each at most T.
        beam_size: Number of prefixes kept an utterance (K).
        nbest: Number of hypotheses returned an utterance, at most `beam_size`.
        max_units: Only this many most probable units of a frame may start a new prefix;
            prefixes in the beam always get all of their probability. None: as many as make
            the result equal to trying all units (2 K).
        blank_threshold: Frames whose blank has at least this probability are taken as blank
            for certain, and runs of them are skipped; an approximation that saves time.
            None: every frame is searched.
        blank_id: Id of the blank unit.

    Returns:
        For each utterance up to `nbest` hypotheses of non-zero probability, best first. An
        utterance without frames gives one empty hypothesis.

    Raises:
        ValueError: If an argument is out of its range or shapes do not fit together.
    """
    lengths = check_posteriors(log_probs, lengths, blank_id)
    _check_options(beam_size, nbest, max_units, blank_threshold)
    frames = _open_frames(log_probs, lengths, blank_id, blank_threshold)
    num_units = min(2 * beam_size if max_units is None else max_units, log_probs.size(2) - 1)
    units, unit_log_probs = _best_units(frames, num_units, blank_id)

    beam = _Beam.initial(log_probs.size(0), beam_size, log_probs.device)
    for t in range(frames.is_open.size(1)):
        if t % FRAMES_BETWEEN_GROWTH == 0:
            beam.make_room(FRAMES_BETWEEN_GROWTH)
        last = beam.last.clamp(min=0)
        repeat = frames.log_probs[:, t].gather(1, last).double()
        repeat.masked_fill_(~frames.is_open[:, t, None], -math.inf)
        beam = _advance(beam, frames.blank[:, t, None], repeat, units[:, t], unit_log_probs[:, t])
    return _read_out(beam, nbest)


def _check_options(
    beam_size: int, nbest: int, max_units: int | None, blank_threshold: float | None
) -> None:
    if beam_size < 1:
        raise ValueError(f"beam_size must be at least 1, got {beam_size}")
    if not 1 <= nbest <= beam_size:
        raise ValueError(f"nbest must be in [1, beam_size = {beam_size}], got {nbest}")
    if max_units is not None and max_units < 1:
        raise ValueError(f"max_units must be at least 1 or null, got {max_units}")
    if blank_threshold is not None and not 0.0 < blank_threshold <= 1.0:
        raise ValueError(f"blank_threshold must be in (0, 1] or null, got {blank_threshold}")


@dataclass
class _Frames:
    """Frames to search: (B, T, V), (B, T) and (B, T).

    A closed frame lets every prefix stay by blank and by nothing else. Padding is closed with
    a blank of log-probability 0, which changes no score.
    """

    log_probs: torch.Tensor
    blank: torch.Tensor
    is_open: torch.Tensor


def _open_frames(
    log_probs: torch.Tensor, lengths: torch.Tensor, blank_id: int, blank_threshold: float | None
) -> _Frames:
    """Tell open frames from closed ones; a run of certain blanks becomes one closed frame."""
    valid = torch.arange(log_probs.size(1), device=log_probs.device) < lengths[:, None]
    blank = torch.where(valid, log_probs[:, :, blank_id].double(), 0.0)
    if blank_threshold is None:
        return _Frames(log_probs, blank, valid)

    certain = valid & (blank >= math.log(blank_threshold))
    after_certain = torch.nn.functional.pad(certain, (1, 0))[:, :-1]
    kept = valid & ~(certain & after_certain)
    place = (kept.cumsum(dim=1) - 1).clamp(min=0)
    num_kept = int(kept.sum(dim=1).max()) if kept.numel() else 0
    shape = (log_probs.size(0), num_kept)
    if num_kept == 0:
        return _Frames(log_probs[:, :0], blank[:, :0], valid[:, :0])
    blank = blank.new_zeros(shape).scatter_add_(1, place, blank)
    is_open = torch.zeros(shape, dtype=torch.long, device=valid.device)
    is_open.scatter_add_(1, place, (valid & ~certain).long())
    frame_ids = torch.arange(valid.size(1), device=valid.device).expand_as(valid)
    source = torch.zeros(shape, dtype=torch.long, device=valid.device)
    source.scatter_add_(1, place, torch.where(kept, frame_ids, 0))
    rows = torch.arange(shape[0], device=valid.device)[:, None]
    return _Frames(log_probs[rows, source], blank, is_open > 0)


def _best_units(
    frames: _Frames, num_units: int, blank_id: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The most probable units but blank of each frame: ids and log-probabilities, (B, T, U).

    One more than asked for is looked up, so that blank or else the last can be struck out;
    struck-out units and those of closed frames have log-probability minus infinity.
    """
    log_probs, units = frames.log_probs.topk(num_units + 1, dim=2)
    struck = units == blank_id
    struck[:, :, -1] |= ~struck.any(dim=2)
    struck |= ~frames.is_open[:, :, None]
    return units, log_probs.double().masked_fill_(struck, -math.inf)


@dataclass
class _Beam:
    """Prefixes of all utterances.

    Attributes:
        blank: Log-probability of the paths that end in blank, (B, K).
        non_blank: Log-probability of the paths that end in the last unit, (B, K).
        units: Units of each prefix, (B, K, L); meaningless from `length` on.
        last: Last unit, -1 for the empty prefix, (B, K).
        length: Number of units, (B, K).
        shared: Number of leading units two prefixes have in common, (B, K, K).
    """

    blank: torch.Tensor
    non_blank: torch.Tensor
    units: torch.Tensor
    last: torch.Tensor
    length: torch.Tensor
    shared: torch.Tensor

    @classmethod
    def initial(cls, batch_size: int, beam_size: int, device: torch.device) -> "_Beam":
        """Return beams that hold the empty prefix, and otherwise prefixes of probability zero."""
        shape = (batch_size, beam_size)
        blank = torch.full(shape, -math.inf, dtype=torch.float64, device=device)
        non_blank = blank.clone()
        blank[:, 0] = 0.0
        length = torch.zeros(shape, dtype=torch.long, device=device)
        shared = torch.zeros((*shape, beam_size), dtype=torch.long, device=device)
        units = torch.zeros((*shape, 0), dtype=torch.long, device=device)
        return cls(blank, non_blank, units, length - 1, length, shared)

    def make_room(self, num_frames: int) -> None:
        """Make units long enough for this many more frames, one to spare."""
        longest = int(self.length.max()) if self.length.numel() else 0
        more = longest + num_frames + 1 - self.units.size(2)
        if more > 0:
            self.units = torch.nn.functional.pad(self.units, (0, more))


def _advance(
    beam: _Beam,
    blank: torch.Tensor,
    repeat: torch.Tensor,
    units: torch.Tensor,
    unit_log_probs: torch.Tensor,
) -> _Beam:
    """Take one frame.

    Args:
        beam: Prefixes before the frame.
        blank: Log-probability of blank, (B, 1).
        repeat: Log-probability of each prefix's last unit, (B, K).
        units: Candidate units, (B, U).
        unit_log_probs: Their log-probabilities, (B, U).

    Returns:
        Prefixes after the frame, best first.
    """
    beam_size = beam.last.size(1)
    total = torch.logaddexp(beam.blank, beam.non_blank)

    # is_child[j, k]: prefix j is prefix k grown by one unit.
    is_child = (beam.length[:, :, None] == beam.length[:, None, :] + 1) & (
        beam.shared == beam.length[:, None, :]
    )
    is_child &= (total > -math.inf)[:, :, None]
    same_last = beam.last[:, :, None] == beam.last[:, None, :]
    parent = torch.where(same_last, beam.blank[:, None, :], total[:, None, :])
    from_parent = parent.masked_fill_(~is_child, -math.inf).amax(dim=2) + repeat
    stay_blank = total + blank
    stay_non_blank = torch.logaddexp(beam.non_blank + repeat, from_parent)
    stay = torch.logaddexp(stay_blank, stay_non_blank)

    is_last = units[:, None, :] == beam.last[:, :, None]
    grow = torch.where(is_last, beam.blank[:, :, None], total[:, :, None])
    grow = grow + unit_log_probs[:, None, :]
    in_beam = torch.bmm(is_child.transpose(1, 2).float(), is_last.float()) > 0
    grow.masked_fill_(in_beam, -math.inf)

    score, choice = torch.cat([stay, grow.flatten(1)], dim=1).topk(beam_size, dim=1)
    is_grown = choice >= beam_size
    grown = (choice - beam_size).clamp_(min=0)
    source = torch.where(is_grown, grown.div(units.size(1), rounding_mode="floor"), choice)
    unit = units.gather(1, grown.remainder(units.size(1)))

    old_length = beam.length.gather(1, source)
    length = old_length + is_grown
    prefixes = beam.units.gather(1, source[:, :, None].expand(-1, -1, beam.units.size(2)))
    prefixes.scatter_(2, old_length[:, :, None], unit[:, :, None])
    by_row = source[:, :, None].expand(-1, -1, beam_size)
    shared = beam.shared.gather(1, by_row).gather(2, by_row.transpose(1, 2))
    following = prefixes.gather(2, shared)
    inside = shared < length[:, :, None]
    shared = shared + ((following == following.transpose(1, 2)) & inside & inside.transpose(1, 2))
    return _Beam(
        blank=stay_blank.gather(1, source).masked_fill_(is_grown, -math.inf),
        non_blank=torch.where(is_grown, score, stay_non_blank.gather(1, source)),
        units=prefixes,
        last=torch.where(is_grown, unit, beam.last.gather(1, source)),
        length=length,
        shared=shared,
    )


def _read_out(beam: _Beam, nbest: int) -> list[list[Hypothesis]]:
    scores, order = torch.logaddexp(beam.blank, beam.non_blank).topk(nbest, dim=1)
    lengths = beam.length.gather(1, order).tolist()
    prefixes = beam.units.gather(1, order[:, :, None].expand(-1, -1, beam.units.size(2))).tolist()
    return [
        [
            Hypothesis(tuple(units[:length]), score)
            for units, length, score in zip(*utterance, strict=True)
            if score > -math.inf
        ]
        for utterance in zip(prefixes, lengths, scores.tolist(), strict=True)
    ]
