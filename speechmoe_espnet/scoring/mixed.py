"""Mixed error rate: characters for Hanzi and words for Latin, counted by jiwer."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from speechmoe_espnet.data.json_files import read_object, shown, whole_number
from speechmoe_espnet.data.markup import UNKNOWN_UNIT
from speechmoe_espnet.data.mixed_units import is_word, mixed_units
from speechmoe_espnet.scoring.alignment import align_each
from speechmoe_espnet.scoring.cer import UNKNOWN_CHARACTER, Counts

MIXED = "mer"
_KEYS = ("num_utts", "num_units", "sub", "del", "ins")


def mixed_counts(
    refs: Mapping[str, str], hyps: Mapping[str, str], words: Mapping[str, str] | None = None
) -> Counts | None:
    """Count the errors of a set in mixed units.

    Args:
        refs: References by utterance id, none of them empty after normalisation.
        hyps: Hypotheses of the same utterances.
        words: Units of references, separated by spaces, where the reference itself does not say
            where its words end.

    Returns:
        Pooled counts; None if no reference has a Latin word, as the rate would be that of
        characters.
    """
    names = sorted(refs)
    ref_units = [
        words[name].split() if words and name in words else mixed_units(refs[name])
        for name in names
    ]
    if not any(is_word(unit) for units in ref_units for unit in units):
        return None
    pairs = align_each(
        [" ".join(units) for units in ref_units],
        [" ".join(_hypothesis_units(hyps[name])) for name in names],
        "ser",
    )
    operations = Counter(pair.operation for utterance in pairs for pair in utterance)
    return Counts(
        num_utts=len(names),
        num_chars=sum(map(len, ref_units)),
        sub=operations["substitute"],
        del_=operations["delete"],
        ins=operations["insert"],
    )


def mixed_to_dict(counts: Counts) -> dict[str, float | int]:
    """Return counts in the format of `cer.json` and `results.json`."""
    return {
        MIXED: counts.cer,
        "num_utts": counts.num_utts,
        "num_units": counts.num_chars,
        "sub": counts.sub,
        "del": counts.del_,
        "ins": counts.ins,
    }


def read_mixed(directory: Path) -> Counts | None:
    """Read the counts in mixed units of a score.

    Args:
        directory: Output directory of `score`.

    Returns:
        The counts; None where there are none.

    Raises:
        FileNotFoundError: There is no `cer.json`.
        ValueError: It has another format.
    """
    path = directory / "cer.json"
    fields = read_object(path, ()).get(MIXED)
    if fields is None:
        return None
    if not isinstance(fields, dict):
        raise ValueError(f"{path}: {MIXED} must be an object, got {shown(fields)}; score again")
    num_utts, num_units, sub, del_, ins = (
        whole_number(fields, key, f"{path}: {MIXED}") for key in _KEYS
    )
    if num_units < 1:
        raise ValueError(f"{path}: {MIXED} needs num_units of at least 1, got {num_units}")
    return Counts(num_utts, num_units, sub, del_, ins)


def _hypothesis_units(text: str) -> list[str]:
    units: list[str] = []
    for number, part in enumerate(UNKNOWN_UNIT.split(text)):
        if number:
            units.append(UNKNOWN_CHARACTER)
        units += mixed_units(part)
    return units
