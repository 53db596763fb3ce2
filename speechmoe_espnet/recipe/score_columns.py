"""What the scoring of a recipe compares: which sets, in which metric, with which reference."""

from collections.abc import Sequence

from speechmoe_espnet.recipe.directories import Directories
from speechmoe_espnet.recipe.recipe_options import SYLLABLE_PHONE, Options


def score_columns(
    options: Options, names: Directories, sets: Sequence[str], scored: str, *, writes_words: bool
) -> dict[str, list[str]]:
    """Return the scores to make, as columns of `utils/recipe.sh` (`score_sets`, ...).

    Searches that know words write Hanzi, and beside it units.

    Args:
        options: Options of the run.
        names: Its directories.
        sets: Sets to score.
        scored: Directory of the hypotheses.
        writes_words: Whether the search knows words.
    """
    measures = ["cer"]
    if options.token_type == SYLLABLE_PHONE:
        measures = ["cer", "ser"] if writes_words else ["ser"]
    rows = []
    for name in sets:
        for measure in measures:
            in_units = measure == "ser"
            reference = f"{names.units if in_units else names.dump}/{name}"
            target = "score_ser" if in_units and len(measures) > 1 else "score"
            hypothesis = "units" if in_units else "text"
            rows.append((name, measure, reference, hypothesis, f"{scored}/{name}/{target}"))
    columns = ("sets", "metrics", "references", "hypotheses", "targets")
    return {
        f"score_{column}": [row[number] for row in rows] for number, column in enumerate(columns)
    }
