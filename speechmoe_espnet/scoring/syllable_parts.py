"""Wrong syllables by the parts that differ: initial, final and tone.

Of a substituted syllable, one part may be right. Tones that are wrong alone point to the pitch,
initials to short consonants that noise covers, finals to vowels and the vocal tract.
"""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Self

from speechmoe_espnet.scoring.alignment import align_each
from speechmoe_espnet.scoring.cer import UtteranceScore

PARTS = ("initial", "final", "tone")
_SYLLABLE = re.compile(r"([a-zü]+)([1-5])")


@dataclass(frozen=True)
class PartErrors:
    """Mandarin syllables in place of which another one was recognised.

    Attributes:
        syllables: Such syllables.
        initial: Those whose initials differ.
        final: Those whose finals differ.
        tone: Those whose tones differ.
        initial_alone: Those that differ in nothing else.
        final_alone: Likewise.
        tone_alone: Likewise.
    """

    syllables: int
    initial: int
    final: int
    tone: int
    initial_alone: int
    final_alone: int
    tone_alone: int

    @classmethod
    def of(cls, scores: Iterable[UtteranceScore]) -> Self:
        """Count the parts that differ, in the alignments by which units were scored.

        Args:
            scores: Utterances scored by `ser`. Units that are no syllables do not count.
        """
        counts = dict.fromkeys(cls.__dataclass_fields__, 0)
        texts = [(item.ref, item.hyp) for item in scores if item.sub]
        for pairs in align_each([ref for ref, _ in texts], [hyp for _, hyp in texts], "ser"):
            for pair in pairs:
                ref, hyp = split_syllable(pair.ref), split_syllable(pair.hyp)
                if pair.operation != "substitute" or ref is None or hyp is None:
                    continue
                wrong = [name for name, a, b in zip(PARTS, ref, hyp, strict=True) if a != b]
                counts["syllables"] += 1
                for name in wrong:
                    counts[name] += 1
                if len(wrong) == 1:
                    counts[f"{wrong[0]}_alone"] += 1
        return cls(**counts)

    def to_dict(self) -> dict[str, int]:
        """Return the counts in the format of `cer.json`."""
        return asdict(self)

    def describe(self) -> str:
        """Return one line for the user."""
        parts = ", ".join(
            f"{getattr(self, name)} in the {name} ({getattr(self, name + '_alone')} in it alone)"
            for name in PARTS
        )
        return f"of {self.syllables} syllables taken for another, wrong are {parts}"


@lru_cache(maxsize=4096)
def split_syllable(unit: str) -> tuple[str, str, str] | None:
    """Split a tonal syllable by the rules of Hanyu Pinyin: `yuan2` is no initial, üan and 2.

    Args:
        unit: A unit.

    Returns:
        Initial ("" for none), final and tone; None if the unit is no syllable.
    """
    match = _SYLLABLE.fullmatch(unit)
    if match is None:
        return None
    from pypinyin.contrib.tone_convert import to_finals, to_initials

    plain, tone = match.groups()
    final = to_finals(plain, strict=True, v_to_u=True)
    # Interjections such as n2 and hm5 have no vowel.
    return (to_initials(plain, strict=True), final, tone) if final else ("", plain, tone)
