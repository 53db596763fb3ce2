"""What every search returns, so that writing results does not depend on the search."""

from typing import NamedTuple


class Hypothesis(NamedTuple):
    """One unit sequence found for an utterance.

    Attributes:
        units: Unit ids without blanks, repeats collapsed.
        score: Natural log-probability. Greedy search: of the best frame path. Prefix beam
            search: of all frame paths of this sequence that stayed in the beam.
    """

    units: tuple[int, ...]
    score: float
