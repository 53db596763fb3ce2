"""Expected times of the stages of a recipe: measured once, printed at the start."""

from collections.abc import Iterable, Mapping

from speechmoe_espnet.recipe.recipe_options import SYNTHETIC

MACHINE = "2 CPU cores"
_NAMES = (
    *("data", "features", "units", "statistics", "training", "language model"),
    *("graph", "tuning", "decoding", "rescoring", "scoring", "report", "packed model"),
)
NAMES = dict(enumerate(_NAMES, start=1))

# Seconds by stage of ./run_all.sh, whose two trainings and decodings run in parallel. Stages that
# are not here were not measured.
MEASURED: Mapping[str, Mapping[int, float]] = {
    "tiny": {1: 8, 2: 16, 3: 1, 4: 1, 5: 20, 9: 10, 11: 2, 12: 4},
    "small": {1: 233, 2: 53, 3: 1, 4: 4, 5: 490, 6: 132, 7: 101, 9: 16, 11: 2, 12: 5},
}
_NUM_SETS = 4
"""Styles that were measured together."""
_GROW_WITH_SETS = (1, 2, 9, 11)


def expected_times(
    corpus: str, preset: str, stages: Iterable[int], num_sets: int = _NUM_SETS
) -> str:
    """Return a line about the stages that run, empty where nothing was measured.

    Args:
        corpus: As in `--corpus`; only the synthetic one was measured.
        preset: Its size.
        stages: The stages that run.
        num_sets: Styles of the corpus; data, features, decoding and scoring take their share.
    """
    measured = dict(MEASURED.get(preset, {})) if corpus == SYNTHETIC else {}
    if not measured:
        return ""
    for number in measured.keys() & set(_GROW_WITH_SETS):
        measured[number] *= num_sets / _NUM_SETS
    parts = [
        f"{NAMES[number]} {_words(measured[number])}" if number in measured else NAMES[number]
        for number in stages
    ]
    return f"expected on {MACHINE}, where not finished already: {', '.join(parts)}"


def _words(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min"
