"""Reader of the files that `score` writes."""

from pathlib import Path

from speechmoe_espnet.data.json_files import read_object
from speechmoe_espnet.data.text_file import read_lines
from speechmoe_espnet.scoring.cer import UtteranceScore, pool


def read_scores(directory: Path) -> tuple[str, tuple[UtteranceScore, ...]]:
    """Read a score.

    Args:
        directory: Output directory of `score`.

    Returns:
        The metric, and the utterances, sorted by id.

    Raises:
        FileNotFoundError: `cer.json` or `utts.jsonl` does not exist.
        ValueError: A file has not the format of `score`, or the two files contradict each other.
    """
    score = read_object(directory / "cer.json", ("metric", "num_utts", "num_chars"))
    utterances = []
    path = directory / "utts.jsonl"
    for number, line in enumerate(read_lines(path, nfc=False), start=1):
        utterances.append(UtteranceScore.from_json(line, f"{path}:{number}"))
    counts = pool(utterances)
    if (counts.num_utts, counts.num_chars) != (score["num_utts"], score["num_chars"]):
        raise ValueError(
            f"{path}: {counts.num_utts} utterances with {counts.num_chars} characters or units, "
            f"but cer.json beside it says {score['num_utts']} and {score['num_chars']}; score again"
        )
    return str(score["metric"]), tuple(utterances)
