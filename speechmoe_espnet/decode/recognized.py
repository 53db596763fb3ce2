"""Recognised utterance: hypotheses with their texts and times."""

from dataclasses import dataclass

from speechmoe_espnet.decode.hypothesis import Hypothesis


@dataclass(frozen=True, slots=True)
class Recognized:
    """One recognised utterance.

    Attributes:
        name: Utterance id.
        texts: Text of each hypothesis, best first; made of words for a search over words.
        unit_texts: Units of each hypothesis, separated by spaces.
        hypotheses: The hypotheses.
        frame_seconds: Duration of an encoder frame in seconds.
        lattice: Lattice in Kaldi's text format, or an empty string.
        is_too_short: Whether the utterance is too short for any speech, or for the model.
        seconds: Duration of the input in seconds, as it was read.
    """

    name: str
    texts: tuple[str, ...]
    unit_texts: tuple[str, ...]
    hypotheses: tuple[Hypothesis, ...]
    frame_seconds: float = 0.0
    lattice: str = ""
    is_too_short: bool = False
    seconds: float = 0.0
