"""Units that sound alike: where a new unit of a trained model begins."""

from collections.abc import Sequence

from speechmoe_espnet.data.segmentation import is_hanzi
from speechmoe_espnet.data.syllables import is_syllable, read_hanzi


class AlikeUnits:
    """Finds, among known units, those that sound like another one.

    Args:
        known: Characters, syllables, phones or pieces.
    """

    def __init__(self, known: Sequence[str]) -> None:
        self._num_known = len(known)
        self._by_syllable: dict[str, list[int]] = {}
        for number, unit in enumerate(known):
            syllable = _syllable(unit)
            for key in (syllable, syllable[:-1]) if syllable else ():
                self._by_syllable.setdefault(key, []).append(number)

    def places(self, unit: str) -> list[int]:
        """Return the places of the units that sound alike in the list of the known ones.

        They are those of the same syllable and tone; else, those of the same syllable in another
        tone; else, and for what is not Mandarin, all of them.
        """
        syllable = _syllable(unit)
        for key in (syllable, syllable[:-1]) if syllable else ():
            if key in self._by_syllable:
                return self._by_syllable[key]
        return list(range(self._num_known))


def _syllable(unit: str) -> str:
    """Return the tonal syllable of a syllable or of one Hanzi; empty for anything else."""
    if is_syllable(unit):
        return unit
    if len(unit) == 1 and is_hanzi(unit):
        ((syllable,),) = read_hanzi([unit])
        return syllable if is_syllable(syllable) else ""
    return ""
