"""Reference CTC prefix beam search, simple and slow; the batched search is tested against it.

It searches one utterance with a dictionary of prefixes and prunes by the beam alone.
"""

import math
from collections.abc import Callable, Sequence

from speechmoe_espnet.decode.hypothesis import Hypothesis

LOG_ZERO = -math.inf
Prefix = tuple[int, ...]


def log_add(a: float, b: float) -> float:
    """Natural log of exp(a) + exp(b)."""
    if a < b:
        a, b = b, a
    return a if b == LOG_ZERO else a + math.log1p(math.exp(b - a))


def reference_prefix_beam_search(
    log_probs: Sequence[Sequence[float]],
    beam_size: int,
    blank_id: int = 0,
    lm_score: Callable[[Prefix, bool], float] | None = None,
) -> list[Hypothesis]:
    """Search one utterance.

    Each prefix has two log-probabilities: of the paths that end in blank, and of the paths that end
    in its last unit. In a frame a prefix stays the same (by blank, or by repeating its last unit)
    or is extended by a unit. Probabilities of paths to the same prefix add up. The `beam_size` best
    prefixes are kept.

    Args:
        log_probs: Log-probabilities, frames x units.
        beam_size: Number of prefixes kept.
        blank_id: Id of the blank unit.
        lm_score: Language model score of a prefix; with True, of a complete utterance, end
            included. None: no language model.

    Returns:
        The beam, best first, without prefixes of probability zero.
    """
    lm_score = lm_score or (lambda prefix, is_whole: 0.0)
    beam: dict[Prefix, tuple[float, float]] = {(): (0.0, LOG_ZERO)}
    for frame in log_probs:
        grown: dict[Prefix, tuple[float, float]] = {}
        for prefix, (blank, non_blank) in beam.items():
            total = log_add(blank, non_blank)
            for unit, log_prob in enumerate(frame):
                if unit == blank_id:
                    _add(grown, prefix, total + log_prob, LOG_ZERO)
                elif prefix and unit == prefix[-1]:
                    _add(grown, prefix, LOG_ZERO, non_blank + log_prob)
                    _add(grown, (*prefix, unit), LOG_ZERO, blank + log_prob)
                else:
                    _add(grown, (*prefix, unit), LOG_ZERO, total + log_prob)
        possible = [item for item in grown.items() if log_add(*item[1]) > LOG_ZERO]
        possible.sort(key=lambda item: -(log_add(*item[1]) + lm_score(item[0], False)))
        beam = dict(possible[:beam_size])
    hyps = []
    for prefix, scores in beam.items():
        acoustic, added = log_add(*scores), lm_score(prefix, True)
        hyps.append(Hypothesis(prefix, acoustic + added, acoustic, added))
    return sorted(hyps, key=lambda hyp: -hyp.score)


def _add(
    beam: dict[Prefix, tuple[float, float]], prefix: Prefix, blank: float, non_blank: float
) -> None:
    old_blank, old_non_blank = beam.get(prefix, (LOG_ZERO, LOG_ZERO))
    beam[prefix] = (log_add(old_blank, blank), log_add(old_non_blank, non_blank))
