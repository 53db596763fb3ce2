"""N-best lists on disk; errors name file, line and utterance.

`nbest.jsonl` has one object per line, `{"utt": ID, "hyps": [{"text": ..., "score": ...}, ...]}`,
with the best hypothesis first. Unknown fields are kept, so rescoring loses nothing that the search
wrote. Scores are natural logarithms. Names that end in `_logp` are scores of the model, names that
end in `_score` are weighted by the search.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from speechmoe_espnet.data.json_files import number, parse_json, shown
from speechmoe_espnet.data.text_file import read_lines

Hyp = dict[str, Any]

NBEST_FILE = "nbest.jsonl"


def read_nbest(path: str | Path, numbers: Sequence[str] = ("score",)) -> dict[str, list[Hyp]]:
    """Read n-best lists.

    Args:
        path: A `nbest.jsonl`.
        numbers: Fields that every hypothesis must have, as finite numbers.

    Returns:
        Hypotheses by utterance id, in the order of the file; each has `text` and `numbers`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is empty, a line is not such an object, an utterance occurs twice
            or has no hypothesis, or a field is missing or not a finite number.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"no n-best lists {path}; decode first, with a search that finds several hypotheses"
        )
    lists: dict[str, list[Hyp]] = {}
    for count, line in enumerate(read_lines(path, nfc=False), start=1):
        place = f"{path}:{count}"
        utt, hyps = _parse_line(place, line)
        if utt in lists:
            raise ValueError(f"{place}: {utt}: occurs twice")
        for rank, hyp in enumerate(hyps, start=1):
            _check_hyp(f"{place}: {utt}: hypothesis {rank}", hyp, numbers)
        lists[utt] = hyps
    if not lists:
        raise ValueError(f"{path}: no utterances")
    return lists


def write_nbest(path: str | Path, lists: Iterable[tuple[str, Sequence[Mapping[str, Any]]]]) -> None:
    """Write n-best lists; `read_nbest` returns the same lists.

    Args:
        path: File to write.
        lists: Utterance ids, sorted, each with its hypotheses, best first. They are taken one by
            one, so that the lists of a large set need not be in memory at once.

    Raises:
        ValueError: A number is not finite.
    """
    with Path(path).open("w", encoding="utf-8") as file:
        for utt, hyps in lists:
            line = {"utt": utt, "hyps": list(hyps)}
            file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")


def _parse_line(place: str, line: str) -> tuple[str, list[Hyp]]:
    value = parse_json(line, place, finite=False)  # `_check_hyp` names what is not
    if not isinstance(value, dict):
        raise ValueError(f"{place}: expected an object with utt and hyps, got {shown(value)}")
    utt, hyps = value.get("utt"), value.get("hyps")
    if not isinstance(utt, str) or utt.split() != [utt]:
        raise ValueError(f"{place}: utt must be an utterance id, got {shown(utt)}")
    if not isinstance(hyps, list) or not hyps:
        raise ValueError(f"{place}: {utt}: hyps must list at least one, got {shown(hyps)}")
    return utt, hyps


def _check_hyp(place: str, hyp: object, numbers: Sequence[str]) -> None:
    if not isinstance(hyp, dict):
        raise ValueError(f"{place}: expected an object, got {shown(hyp)}")
    if not isinstance(hyp.get("text"), str):
        raise ValueError(f"{place}: text must be a string, got {shown(hyp.get('text'))}")
    for name in numbers:
        if name not in hyp:
            raise ValueError(
                f"{place}: lacks {name}; decode again with a search that writes it (it has "
                f"{', '.join(map(str, hyp))})"
            )
        number(hyp, name, place)
