"""Error counts of every hypothesis of n-best lists.

An utterance has many similar hypotheses and only their numbers of errors are needed. They are
counted without the alignments of `cer.py`, by the library that jiwer uses itself.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

from speechmoe_espnet.data.kaldi_dir import check_same_ids
from speechmoe_espnet.data.table import join_error
from speechmoe_espnet.scoring.cer import comparable_text, empty_references


class ListErrors(NamedTuple):
    """Errors of n-best lists.

    Attributes:
        errors: Substitutions, deletions and insertions of each hypothesis, by utterance id.
        num_units: Characters (units for `ser`) of all references.
    """

    errors: dict[str, list[int]]
    num_units: int


def count_errors(
    refs: Mapping[str, str],
    lists: Mapping[str, Sequence[str]],
    *,
    metric: str = "cer",
    ref_name: str | Path = "reference text",
    list_name: str | Path = "n-best lists",
) -> ListErrors:
    """Compare every hypothesis with its reference, joined by utterance id.

    Args:
        refs: Reference by utterance id.
        lists: Texts of the hypotheses by utterance id.
        metric: `cer` or `ser`, as in `comparable_text`.
        ref_name: Name of the references in messages.
        list_name: Name of the lists in messages.

    Raises:
        ValueError: There are no references, an utterance is missing or extra, all references are
            empty after normalisation, or the metric is unknown; up to five utterances are named.
    """
    if not refs:
        raise ValueError(f"{ref_name}: no utterances")
    empty = empty_references(refs, metric)
    check_same_ids(ref_name, refs.keys() - (empty - lists.keys()), list_name, lists)
    references = {utt: _units(refs[utt], metric) for utt in lists if utt not in empty}
    if not references:
        raise join_error(ref_name, "nothing is left to compare, after normalisation, of", empty)
    errors = {}
    for utt in references:
        texts = lists[utt]
        counts = {
            text: Levenshtein.distance(references[utt], _units(text, metric, is_hypothesis=True))
            for text in set(texts)
        }
        errors[utt] = [counts[text] for text in texts]
    return ListErrors(errors, sum(map(len, references.values())))


def _units(text: str, metric: str, *, is_hypothesis: bool = False) -> Sequence[str]:
    comparable = comparable_text(text, metric, is_hypothesis=is_hypothesis)
    return comparable.split() if metric == "ser" else comparable
