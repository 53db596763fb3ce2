"""CTC prefix beam search in which all utterances and beams of a batch advance together.

Each frame takes a fixed number of tensor operations, without a Python loop over prefixes.
`decode.search.reference` defines the result.

Two properties make it exact:

- Merging. Two prefixes of a beam can merge only if one is the other extended by one unit.
  `shared[j, k]` is the number of leading units that prefixes j and k have in common. It is carried
  from frame to frame and identifies the parent of each prefix exactly, even if a parent left the
  beam and came back. There is no hashing, hence no collision.
- Units. At most K (beam size) extensions of a prefix survive a frame, and at most K of them are
  not ranked by the log-probabilities of the frame (those already in the beam, and the repeated
  last unit). The 2K most probable units of a frame therefore give the same beam as all units;
  this is the default. A language model ranks units differently: with one, the 2K units are an
  approximation like the beam itself, and only `max_units` = V - 1 tries all units.

With a language model, the score of a prefix is the log-probability of its paths, plus for each unit
the weighted log-probability of the language model and a bonus, plus at the end of the utterance the
weighted log-probability of the end.

Shapes: B utterances, T frames, V units, K beams, U candidate units per frame, L units per prefix.
"""

import math
from dataclasses import dataclass

import torch

from speechmoe_espnet.decode.hypothesis import Hypothesis
from speechmoe_espnet.decode.search.ctc_frames import best_units, open_frames
from speechmoe_espnet.decode.search.greedy import check_posteriors
from speechmoe_espnet.decode.search.ngram_fusion import NgramFusion
from speechmoe_espnet.decode.search.shallow_fusion import Fusion

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
    lm: NgramFusion | None = None,
    lm_weight: float = 0.3,
    insertion_bonus: float = 0.0,
) -> list[list[Hypothesis]]:
    """Search a batch.

    Args:
        log_probs: Log-probabilities of units, (B, T, V); padding is ignored.
        lengths: Number of valid frames, (B,), each at most T.
        beam_size: Number of prefixes kept per utterance (K).
        nbest: Number of hypotheses returned per utterance, at most `beam_size`.
        max_units: Number of most probable units of a frame that may extend a prefix; prefixes in
            the beam always get all of their probability. None: 2 K, which without a language model
            gives the same result as all units.
        blank_threshold: Frames with at least this blank probability count as blank, and runs of
            them are skipped: an approximation that saves time. None: every frame is searched.
        blank_id: Id of the blank unit.
        lm: Language model over the units, or None.
        lm_weight: Weight of its log-probabilities; only with `lm`.
        insertion_bonus: Added to the score for each unit, against the cost of a unit in the
            language model; only with `lm`.

    Returns:
        For each utterance up to `nbest` hypotheses of non-zero probability, best first. An
        utterance without frames has one empty hypothesis.

    Raises:
        ValueError: If an argument is out of its range or shapes do not fit together.
    """
    lengths = check_posteriors(log_probs, lengths, blank_id)
    _check_options(beam_size, nbest, max_units, blank_threshold)
    fusion = None
    if lm is not None:
        lm.check_num_units(log_probs.size(2))
        fusion = Fusion(lm.to(log_probs.device), lm_weight, insertion_bonus)
    frames = open_frames(log_probs, lengths, blank_id, blank_threshold)
    num_units = min(2 * beam_size if max_units is None else max_units, log_probs.size(2) - 1)
    units, unit_log_probs = best_units(frames, num_units, blank_id)

    beam = _Beam.initial(
        log_probs.size(0), beam_size, blank_id, lm.start if lm else 0, log_probs.device
    )
    for t in range(frames.is_open.size(1)):
        if t % FRAMES_BETWEEN_GROWTH == 0:
            beam.make_room(FRAMES_BETWEEN_GROWTH)
        repeat = frames.log_probs[:, t].gather(1, beam.last).double()
        repeat.masked_fill_(~frames.is_open[:, t, None], -math.inf)
        blank = frames.blank[:, t, None]
        beam = _advance(beam, blank, repeat, units[:, t], unit_log_probs[:, t], fusion)
    return _read_out(beam, nbest, fusion)


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
class _Beam:
    """Prefixes of all utterances.

    Attributes:
        blank: Log-probability of the paths that end in blank, (B, K).
        non_blank: Log-probability of the paths that end in the last unit, (B, K).
        total: Log-probability of all paths, (B, K).
        units: Units of each prefix, (B, K, L); undefined from `length` on.
        last: Last unit, the blank for the empty prefix, (B, K).
        length: Number of units, (B, K).
        shared: Number of leading units two prefixes have in common, (B, K, K).
        first: Index of the first beam of each utterance in the flattened batch, (B, 1).
        lm_state: State of the language model after each prefix, (B, K); unused without one.
        lm_score: Share of language model and bonus in each prefix's score, (B, K); unused without a
            language model.
    """

    blank: torch.Tensor
    non_blank: torch.Tensor
    total: torch.Tensor
    units: torch.Tensor
    last: torch.Tensor
    length: torch.Tensor
    shared: torch.Tensor
    first: torch.Tensor
    lm_state: torch.Tensor
    lm_score: torch.Tensor

    @classmethod
    def initial(
        cls, batch_size: int, beam_size: int, blank_id: int, lm_state: int, device: torch.device
    ) -> "_Beam":
        """Return beams with the empty prefix; all other prefixes have probability zero."""
        shape = (batch_size, beam_size)
        non_blank = torch.full(shape, -math.inf, dtype=torch.float64, device=device)
        blank = non_blank.clone()
        blank[:, 0] = 0.0
        length = torch.zeros(shape, dtype=torch.long, device=device)
        return cls(
            blank,
            non_blank,
            total=blank,
            units=length.new_zeros((*shape, 0)),
            last=torch.full_like(length, blank_id),
            length=length,
            shared=length.new_zeros((*shape, beam_size)),
            first=torch.arange(0, length.numel(), beam_size, device=device)[:, None],
            lm_state=torch.full_like(length, lm_state),
            lm_score=torch.zeros_like(blank),
        )

    def make_room(self, num_frames: int) -> None:
        """Make room in `units` for this many more frames and one more unit."""
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
    fusion: Fusion | None,
) -> _Beam:
    """Process one frame.

    Args:
        beam: Prefixes before the frame.
        blank: Log-probability of blank, (B, 1).
        repeat: Log-probability of each prefix's last unit, (B, K).
        units: Candidate units, (B, U).
        unit_log_probs: Their log-probabilities, (B, U).
        fusion: Language model.

    Returns:
        Prefixes after the frame, best first.
    """
    num_beams, num_units = beam.last.size(1), units.size(1)

    # is_child[j, k]: prefix j is prefix k extended by one unit; no prefix has two parents.
    possible = beam.total > -math.inf
    is_child = beam.length[:, :, None] == beam.length[:, None, :] + 1
    is_child &= beam.shared == beam.length[:, None, :]
    is_child &= possible[:, :, None] & possible[:, None, :]
    has_parent, parent = is_child.max(dim=2)
    from_parent = torch.where(
        beam.last == beam.last.gather(1, parent),
        beam.blank.gather(1, parent),
        beam.total.gather(1, parent),
    ).masked_fill_(~has_parent, -math.inf)
    stay_blank = beam.total + blank
    stay_non_blank = torch.logaddexp(beam.non_blank, from_parent) + repeat
    stay = torch.logaddexp(stay_blank, stay_non_blank)

    is_last = units[:, None, :] == beam.last[:, :, None]
    grow = torch.where(is_last, beam.blank[:, :, None], beam.total[:, :, None])
    grow += unit_log_probs[:, None, :]
    # Prefixes in the beam are no new extensions; the last column is for those without a parent.
    is_candidate, last_place = is_last.max(dim=2)
    child_place = num_beams + parent * num_units + last_place
    child_place.masked_fill_(~(has_parent & is_candidate), num_beams * (num_units + 1))
    total = torch.cat([stay, grow.flatten(1), torch.full_like(blank, -math.inf)], dim=1)
    total.scatter_(1, child_place, -math.inf)

    total = total[:, :-1]
    if fusion is None:
        total, choice = total.topk(num_beams, dim=1)
    else:
        # The prefixes that stay fill the beam, so an extension must be as good as the worst.
        floor = (stay + beam.lm_score).amin(dim=1, keepdim=True)
        grow = total[:, num_beams:].reshape(grow.shape)
        added, arcs = fusion.grow(beam.lm_score, beam.lm_state, units, grow, floor)
        added = torch.cat([beam.lm_score, added.flatten(1)], dim=1)
        choice = (total + added).topk(num_beams, dim=1).indices
        total, lm_score = total.gather(1, choice), added.gather(1, choice)

    is_grown = choice >= num_beams
    grown = (choice - num_beams).clamp_(min=0)
    source = torch.where(is_grown, grown.div(num_units, rounding_mode="floor"), choice)
    unit = units.gather(1, grown.remainder(num_units))
    if fusion is None:
        lm_state, lm_score = beam.lm_state, beam.lm_score
    else:
        entered = fusion.lm.advance(arcs.flatten(1).gather(1, grown))
        lm_state = torch.where(is_grown, entered, beam.lm_state.gather(1, source))

    old_length = beam.length.gather(1, source)
    length = old_length + is_grown
    among_all = (source + beam.first).flatten()
    prefixes = beam.units.flatten(0, 1)[among_all].view_as(beam.units)
    prefixes.scatter_(2, old_length[:, :, None], unit[:, :, None])
    shared = beam.shared.flatten(0, 1)[among_all].view_as(beam.shared)
    shared = shared.gather(2, source[:, None, :].expand_as(shared))
    following = prefixes.gather(2, shared)
    inside = shared < length[:, :, None]
    shared += (following == following.transpose(1, 2)) & inside & inside.transpose(1, 2)
    return _Beam(
        blank=stay_blank.gather(1, source).masked_fill_(is_grown, -math.inf),
        non_blank=torch.where(is_grown, total, stay_non_blank.gather(1, source)),
        total=total,
        units=prefixes,
        last=torch.where(is_grown, unit, beam.last.gather(1, source)),
        length=length,
        shared=shared,
        first=beam.first,
        lm_state=lm_state,
        lm_score=lm_score,
    )


def _read_out(beam: _Beam, nbest: int, fusion: Fusion | None) -> list[list[Hypothesis]]:
    added = beam.lm_score if fusion is None else beam.lm_score + fusion.end(beam.lm_state)
    scores, order = (beam.total + added).topk(nbest, dim=1)
    acoustic, added, lengths = (x.gather(1, order) for x in (beam.total, added, beam.length))
    prefixes = beam.units.gather(1, order[:, :, None].expand(-1, -1, beam.units.size(2)))
    columns = (prefixes, lengths, scores, acoustic, added)
    return [
        [
            Hypothesis(tuple(units[:length]), *parts)
            for units, length, *parts in zip(*utterance, strict=True)
            if parts[0] > -math.inf
        ]
        for utterance in zip(*(column.tolist() for column in columns), strict=True)
    ]
