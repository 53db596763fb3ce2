"""Rescoring of n-best lists with another language model.

By default the score of a hypothesis is its score in decoding plus the weighted log-probability of
its text:

    score = acoustic_score + lm_score + nn_lm_weight * ln P_nn(text)

With `lm_weight`, all parts are weighted anew from the raw scores:

    score = acoustic_logp + lm_weight * lm_logp + insertion_bonus * num_units
            + nn_lm_weight * ln P_nn(text)

Scores are natural logarithms. Rescoring a list again replaces the score of the previous model.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from speechmoe_espnet.decode.nbest import Hyp
from speechmoe_espnet.decode.tuning_file import read_tuning

WEIGHTS = ("nn_lm_weight", "lm_weight", "insertion_bonus")

TextScorer = Callable[[Sequence[str]], Sequence[float]]


@dataclass(frozen=True)
class RescoringWeights:
    """Weights of the scores.

    Attributes:
        nn_lm_weight: Weight of the other model's log-probability of the text.
        lm_weight: Weight of the language model that the search used; None keeps the scores as the
            search weighted them.
        insertion_bonus: Added for each unit; only with lm_weight; None means 0.

    Raises:
        ValueError: A weight is not finite, or an insertion bonus is given without lm_weight.
    """

    nn_lm_weight: float
    lm_weight: float | None = None
    insertion_bonus: float | None = None

    def __post_init__(self) -> None:
        for name in WEIGHTS:
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{name} must be a finite number, got {value}")
        if self.lm_weight is None and self.insertion_bonus is not None:
            raise ValueError(
                f"insertion_bonus {self.insertion_bonus:g}: also give lm_weight; without it the "
                f"scores stay as the search weighted them"
            )

    @classmethod
    def from_tuning(cls, path: str | Path) -> Self:
        """Read tuned weights.

        Args:
            path: A `tuning.json`.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is not JSON or lacks one of the three weights.
        """
        return cls(**read_tuning(path, WEIGHTS))

    @property
    def numbers(self) -> tuple[str, ...]:
        """Fields that every hypothesis must have."""
        if self.lm_weight is None:
            return ("acoustic_score", "lm_score")
        return ("acoustic_logp", "lm_logp", "num_units")

    def decoded_scores(self, hyp: Mapping[str, Any]) -> tuple[float, float]:
        """Return acoustic and language model score of a hypothesis, without the other model."""
        if self.lm_weight is None:
            return hyp["acoustic_score"], hyp["lm_score"]
        bonus = self.insertion_bonus or 0.0
        return (
            hyp["acoustic_logp"],
            self.lm_weight * hyp["lm_logp"] + bonus * hyp["num_units"],
        )


def rescore(
    lists: Mapping[str, Sequence[Hyp]], score_texts: TextScorer, weights: RescoringWeights
) -> dict[str, list[Hyp]]:
    """Rescore n-best lists.

    Args:
        lists: Hypotheses by utterance id with `weights.numbers`, as `read_nbest` returns them.
        score_texts: Returns ln P of texts; called once, with all distinct texts.
        weights: Weights of the scores.

    Returns:
        Lists with the highest score first; hypotheses of equal score keep their order.
        Hypotheses are copies with `nn_lm_logp` (ln P of the text), `nn_lm_score` (weighted),
        `acoustic_score`, `lm_score` and `score` (the sum of the three) set.

    Raises:
        ValueError: The model gives a text a score that is not finite; the message names the
            utterance.
    """
    texts = sorted({hyp["text"] for hyps in lists.values() for hyp in hyps})
    known = dict(zip(texts, score_texts(texts), strict=True))
    ranked: dict[str, list[Hyp]] = {}
    for utt, hyps in lists.items():
        scored = [_scored(utt, hyp, known[hyp["text"]], weights) for hyp in hyps]
        ranked[utt] = sorted(scored, key=lambda hyp: -hyp["score"])
    return ranked


def _scored(utt: str, hyp: Hyp, logp: float, weights: RescoringWeights) -> Hyp:
    if not math.isfinite(logp):
        raise ValueError(
            f"{utt}: the language model gives {hyp['text']!r} a log-probability of {logp}; "
            f"its training has failed"
        )
    acoustic_score, lm_score = weights.decoded_scores(hyp)
    nn_lm_score = weights.nn_lm_weight * logp
    return {
        **hyp,
        "score": acoustic_score + lm_score + nn_lm_score,
        "acoustic_score": acoustic_score,
        "lm_score": lm_score,
        "nn_lm_score": nn_lm_score,
        "nn_lm_logp": logp,
    }
