"""Times and confidences of units for any search, by the best path of its result.

Prefix beam and joint search sum over paths and follow none. The units that they find are aligned
with the frames: CTC forced alignment, the most probable path of these units.
"""

from itertools import pairwise

import torch
from torchaudio.functional import forced_align

from speechmoe_espnet.decode.hypothesis import Hypothesis
from speechmoe_espnet.decode.search.factory import Encoded, Found, Search
from speechmoe_espnet.decode.word_times import units_of_path


class TimedSearch:
    """A search whose best hypothesis has `unit_frames` and `unit_confidences`.

    An attention decoder may find more units than there are frames; these have neither.

    Args:
        search: The search.
        blank_id: Id of the blank.
    """

    def __init__(self, search: Search, blank_id: int) -> None:
        self.search = search
        self.blank_id = blank_id

    def __call__(self, encoded: Encoded) -> list[Found]:
        """Search a batch."""
        results = []
        for number, found in enumerate(self.search(encoded)):
            length = int(encoded.lengths[number])
            log_probs = encoded.log_probs[number, :length].cpu()
            best, *others = found.hypotheses or [Hypothesis((), 0.0)]
            results.append(Found([self._timed(best, log_probs), *others], found.lattice))
        return results

    def _timed(self, hypothesis: Hypothesis, log_probs: torch.Tensor) -> Hypothesis:
        frames = hypothesis.unit_frames
        if frames is None:
            frames = align_units(hypothesis.units, log_probs, self.blank_id)
        if frames is None:
            return hypothesis
        confidences = tuple(
            float(log_probs[start:end, unit].max().exp())
            for unit, (start, end) in zip(hypothesis.units, frames, strict=True)
        )
        return hypothesis._replace(unit_frames=frames, unit_confidences=confidences)


def align_units(
    units: tuple[int, ...], log_probs: torch.Tensor, blank_id: int
) -> tuple[tuple[int, int], ...] | None:
    """Align units with frames.

    Args:
        units: Unit ids without blanks.
        log_probs: Log-probabilities of units (T, V), on the CPU.
        blank_id: Id of the blank.

    Returns:
        First frame of each unit and the frame after its last one; None if there are too few frames
        or a unit is the blank.
    """
    repeats = sum(unit == after for unit, after in pairwise(units))
    if blank_id in units or len(units) + repeats > len(log_probs):
        return None
    if not units:
        return ()
    (path,), _ = forced_align(log_probs[None], torch.tensor([units]), blank=blank_id)
    _, spans = units_of_path(path.tolist(), range(len(path)), len(path), blank_id)
    return spans
