"""Utterances that the sets of a report lack, counted and listed."""

from collections.abc import Mapping

from speechmoe_espnet.data.faults import LEFT_OUT, LeftOut

MAX_LISTED = 200


def count_left_out(found: LeftOut) -> str:
    """Return `3 of 103 utterances (2.9 %)`."""
    number = len(found.reasons)
    total = number + found.num_used
    return f"{number} of {total} utterances ({100 * number / max(1, total):.1f} %)"


def list_left_out(sets: Mapping[str, LeftOut]) -> dict[str, list[tuple[str, str]]]:
    """Return rows of utterance and reason by a line about the set, up to MAX_LISTED of each."""
    lists = {}
    for name, found in sets.items():
        rows = sorted(found.reasons.items())
        more = len(rows) - MAX_LISTED
        if more > 0:
            rows = [*rows[:MAX_LISTED], ("...", f"{more} more in {name}/{LEFT_OUT}")]
        lists[f"{name}: {count_left_out(found)}"] = rows
    return lists
