"""Shallow fusion: language model scores of a prefix beam search, looked up where needed.

Shapes: B utterances, K beams, U candidate units.
"""

import math
from dataclasses import dataclass

import torch

from speechmoe_espnet.decode.search.ngram_fusion import NgramFusion


@dataclass(frozen=True)
class Fusion:
    """A language model with its weights in a search.

    Attributes:
        lm: The language model.
        weight: Weight of its log-probabilities.
        bonus: Added for each unit.

    Raises:
        ValueError: If the weight is negative or one of the numbers is not finite.
    """

    lm: NgramFusion
    weight: float
    bonus: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.weight < math.inf:
            raise ValueError(f"lm_weight must be a number of at least 0, got {self.weight}")
        if not math.isfinite(self.bonus):
            raise ValueError(f"insertion_bonus must be a number, got {self.bonus}")

    def grow(
        self,
        lm_scores: torch.Tensor,
        states: torch.Tensor,
        units: torch.Tensor,
        acoustic: torch.Tensor,
        floor: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Score each unit after each prefix that may survive.

        A pair is looked up only if it can reach the floor with the highest possible language model
        score. Few pairs can if the acoustic model is confident.

        Args:
            lm_scores: Language model score of each prefix so far, (B, K).
            states: State after each prefix, (B, K).
            units: Candidate units, (B, U).
            acoustic: Acoustic score of each prefix extended by each unit, (B, K, U).
            floor: Score below which a prefix cannot survive, (B, 1).

        Returns:
            Language model score of each extended prefix, minus infinity if it cannot reach the
            floor, and its arc for `NgramFusion.advance`; both (B, K, U).
        """
        most = acoustic + (lm_scores + (self.lm.most * self.weight + self.bonus))[:, :, None]
        matters = (most >= floor[:, :, None]) & (most > -math.inf)
        row, beam, place = matters.nonzero(as_tuple=True)
        log_probs, found = self.lm.extend(states[row, beam], units[row, place])
        added = torch.full_like(acoustic, -math.inf)
        added[row, beam, place] = lm_scores[row, beam] + (log_probs * self.weight + self.bonus)
        arcs = torch.zeros_like(acoustic, dtype=torch.long)
        arcs[row, beam, place] = found
        return added, arcs

    def end(self, states: torch.Tensor) -> torch.Tensor:
        """Score the end of an utterance after each state."""
        return self.lm.end_log_probs[states] * self.weight
