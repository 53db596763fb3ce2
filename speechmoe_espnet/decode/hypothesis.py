"""Hypotheses, the result of every search."""

from typing import NamedTuple


class Word(NamedTuple):
    """A word of a hypothesis and its time.

    Attributes:
        text: The word as written in the lexicon.
        start: First frame of its first unit.
        end: Frame after the last frame of its last unit.
    """

    text: str
    start: int
    end: int


class Hypothesis(NamedTuple):
    """One unit sequence of an utterance.

    All scores are natural logarithms; higher is better.

    Attributes:
        units: Unit ids without blanks, repeats collapsed.
        score: Score that the search ranks by: `acoustic_score + lm_score`.
        acoustic_score: Weighted log-probability of the best frame path (greedy and WFST search), or
            of all frame paths of this sequence that stayed in the beam (prefix beam search).
        lm_score: Weighted score of language model or graph, plus the insertion bonus; 0 without
            them.
        words: Words, for a search over words; None for a search over units.
        unit_frames: First frame of each unit and the frame after its last one, for searches that
            follow a single path, or after `TimedSearch`; None for others.
        unit_confidences: Greatest posterior of each unit within its frames, after `TimedSearch`.
    """

    units: tuple[int, ...]
    score: float
    acoustic_score: float = 0.0
    lm_score: float = 0.0
    words: tuple[Word, ...] | None = None
    unit_frames: tuple[tuple[int, int], ...] | None = None
    unit_confidences: tuple[float, ...] | None = None
