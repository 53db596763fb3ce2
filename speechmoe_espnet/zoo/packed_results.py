"""Results of an experiment that its model card shows: error rates and the commands behind them."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from speechmoe_espnet.data.json_files import number, read_object, whole_number
from speechmoe_espnet.pipeline.digests import DONE, read_mark
from speechmoe_espnet.results.decoding import Decoding

_SCORES = ("score", "score_ser")
_PLACE = "{out}"

_PARAMS = ("params_total", "params_active")


@dataclass(frozen=True)
class Rate:
    """Error rate of a set.

    Attributes:
        decoding: Name of the decoding.
        set_name: Name of the set.
        num_utts: Utterances of the set.
        metric: CER or SER.
        percent: The rate.
    """

    decoding: str
    set_name: str
    num_utts: int
    metric: str
    percent: float


@dataclass(frozen=True)
class Results:
    """Results of some decodings.

    Attributes:
        rates: Error rates.
        searches: Search and weights by decoding, in words.
        commands: Commands that made them, in order; those that were not recorded are left out.
        commits: Commits that made them.
        params: Parameters in total, and those that a frame uses; None if not recorded.
    """

    rates: tuple[Rate, ...] = ()
    searches: tuple[tuple[str, str], ...] = ()
    commands: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()
    params: tuple[int, int] | None = None


def read_results(decode_dirs: Iterable[Path]) -> Results:
    """Read the scores of decodings.

    Args:
        decode_dirs: Folders that `decode` or `rescore` wrote, scored.

    Raises:
        FileNotFoundError: A folder does not exist.
        ValueError: A folder has no score, or a file has the wrong contents.
    """
    rates: list[Rate] = []
    searches: list[tuple[str, str]] = []
    commands: dict[str, None] = {}
    commits: dict[str, None] = {}
    params = None
    for folder in decode_dirs:
        if not folder.is_dir():
            raise FileNotFoundError(f"--decode_dirs: no folder {folder}")
        name = folder.name.removeprefix("decode_")
        found = [path for kind in _SCORES for path in sorted(folder.glob(f"*/{kind}/cer.json"))]
        if not found:
            raise ValueError(f"{folder}: no set of it is scored; score it before (stage 11)")
        if (decoding := Decoding.load(folder)) is not None:
            searches.append((name, decoding.describe()))
        if (folder / "model.json").is_file():
            model = read_object(folder / "model.json", _PARAMS)
            place = folder / "model.json"
            total, active = (number(model, key, place) for key in _PARAMS)
            params = (round(total), round(active))
        rates += [_rate(name, path) for path in found]
        for target in (folder, *(path.parent for path in found)):
            mark = read_mark(target / DONE) or {}
            words = mark.get("command")
            if words and isinstance(words, list):
                commands[_command(list(map(str, words)), target)] = None
            if commit := mark.get("commit"):
                commits[str(commit)] = None
    return Results(tuple(rates), tuple(searches), tuple(commands), tuple(commits), params)


def _rate(decoding: str, path: Path) -> Rate:
    score = read_object(path, ("metric", "num_utts", "cer"))
    set_name = path.parents[1].name
    num_utts = whole_number(score, "num_utts", path)
    metric, rate = str(score["metric"]).upper(), number(score, "cer", path)
    return Rate(decoding, set_name, num_utts, metric, rate)


def _command(words: list[str], target: Path) -> str:
    """Write a stage's command with the folder that it wrote, relative to the experiment's."""
    place = Path(*target.parts[-2:]) if target.name in _SCORES else Path(target.name)
    return shlex.join(word.replace(_PLACE, str(place)) for word in words)
