"""Expected times of the stages of a recipe: measured once, printed at the start."""

from collections.abc import Iterable, Mapping

from speechmoe_espnet.recipe.recipe_options import SYNTHETIC

MACHINE = "2 CPU cores"
_NAMES = (
    *("data", "features", "units", "statistics", "training", "language model"),
    *("graph", "tuning", "decoding", "rescoring", "scoring", "report"),
)
NAMES = dict(enumerate(_NAMES, start=1))

# Seconds by stage: all four styles, one training of conf/train_speechmoe.yaml, greedy search (6 to
# 8: --search wfst). Stages that are not here were not measured.
MEASURED: Mapping[str, Mapping[int, float]] = {
    "tiny": {1: 5, 2: 15, 3: 2, 4: 15, 5: 25, 9: 15, 11: 4, 12: 4},
    "small": {1: 225, 2: 70, 3: 2, 4: 25, 5: 680, 9: 25, 11: 4, 12: 4},
}


def expected_times(corpus: str, preset: str, stages: Iterable[int]) -> str:
    """Return a line about the stages that run, empty where nothing was measured.

    Args:
        corpus: As in `--corpus`; only the synthetic one was measured.
        preset: Its size.
        stages: The stages that run.
    """
    measured = MEASURED.get(preset, {}) if corpus == SYNTHETIC else {}
    if not measured:
        return ""
    parts = [
        f"{NAMES[number]} {_words(measured[number])}" if number in measured else NAMES[number]
        for number in stages
    ]
    return f"expected on {MACHINE}, where not finished already: {', '.join(parts)}"


def _words(seconds: float) -> str:
    if seconds < 90:
        return f"{round(seconds)} s"
    return f"{round(seconds / 60)} min"
