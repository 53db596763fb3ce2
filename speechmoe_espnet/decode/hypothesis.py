"""What every search returns, so that writing results does not depend on the search."""

from typing import NamedTuple


class Word(NamedTuple):
    """A word of a hypothesis and where it was heard.

    Attributes:
        text: The word as the lexicon writes it.
        start: First frame of its first unit.
        end: Frame after the last of its last unit.
    """

    text: str
    start: int
    end: int


class Hypothesis(NamedTuple):
    """One unit sequence found for an utterance.

    All scores are natural logarithms; higher is better.

    Attributes:
        units: Unit ids without blanks, repeats collapsed.
        score: What the search ranks by: `acoustic_score + lm_score`.
        acoustic_score: Greedy and WFST search: log-probability of the best frame path. Prefix
            beam search: of all frame paths of this sequence that stayed in the beam. As the
            search weighted it.
        lm_score: What language model, graph and insertion bonus add, as the search weighted
            it; 0 without them.
        words: The words of a search that knows words, None for searches over units.
        unit_frames: First frame and the frame after the last of each unit, for searches that
            follow a single path; None for others.
    """

    units: tuple[int, ...]
    score: float
    acoustic_score: float = 0.0
    lm_score: float = 0.0
    words: tuple[Word, ...] | None = None
    unit_frames: tuple[tuple[int, int], ...] | None = None
