"""One recognised utterance: hypotheses, their texts, their times."""

from dataclasses import dataclass

from speechmoe_espnet.decode.hypothesis import Hypothesis


@dataclass(frozen=True)
class Recognized:
    """One utterance.

    Attributes:
        name: Utterance id.
        texts: Text of each hypothesis, best first: words where the search knows words.
        unit_texts: Units of each hypothesis, separated by spaces.
        hypotheses: The hypotheses themselves.
        frame_seconds: Seconds an encoder frame stands for.
        lattice: Lattice in Kaldi's text format, empty for none.
        is_too_short: Whether the model has no output for so few frames.
    """

    name: str
    texts: tuple[str, ...]
    unit_texts: tuple[str, ...]
    hypotheses: tuple[Hypothesis, ...]
    frame_seconds: float = 0.0
    lattice: str = ""
    is_too_short: bool = False
