"""A folder of one's own recordings: the corpus `folder`.

It is one of these, whichever comes first:

| what lies there | read as |
|---|---|
| `wav.scp` | a Kaldi data directory |
| `train/wav.scp`, perhaps `dev` and `test` | Kaldi data directories |
| a .csv or .tsv file, or the folder of one | a table of recordings (`csv_rows`) |
| `train.csv`, perhaps `dev.csv` and `test.csv`; .tsv | such tables |
| `train`, perhaps `dev` and `test`, with pairs | recordings and .txt of one name (`audio_pairs`) |
| anything else | such pairs |

Sets that are not there are held out of the training set (`held_out`).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from speechmoe_espnet.corpora.audio_pairs import read_pairs
from speechmoe_espnet.corpora.csv_rows import ENDINGS, read_rows
from speechmoe_espnet.corpora.held_out import hold_out
from speechmoe_espnet.corpora.kaldi_sets import read_kaldi_sets
from speechmoe_espnet.corpora.transcribed import Found
from speechmoe_espnet.data.faults import FaultsError
from speechmoe_espnet.data.kaldi_dir import DataDir
from speechmoe_espnet.data.text_norm import normalize_text

FOLDER = "folder"
TRAIN, DEV, TEST = SETS = ("train", "dev", "test")
_OF_AISHELL = "data_aishell"


def read_folder(
    place: Path, note: Callable[[str], None], *, skip_bad: bool
) -> tuple[dict[str, DataDir], dict[str, Mapping[str, str]]]:
    """Read a folder of recordings, or a table of them, and split what has no split.

    Args:
        place: The folder, or the .csv or .tsv file.
        note: Takes what a user should know: what was held out, and how.
        skip_bad: Whether to go on without recordings that have a fault.

    Returns:
        The sets train, dev and test, and why recordings were left out of each.

    Raises:
        FaultsError: Recordings have faults, and `skip_bad` is not set, or nothing is left.
        FileNotFoundError: There is nothing at the place.
        ValueError: The folder is empty or ambiguous, a table is none, or there is too little to
            hold out.
    """
    sets, left_out = _read(place, skip_bad=skip_bad)
    missing = [name for name in (TEST, DEV) if name not in sets]
    if missing:
        split = hold_out(str(place), sets[TRAIN], missing)
        kind = "speakers, who are not in train" if split.by_speaker else "utterances"
        note(f"{' and '.join(missing)}: held out of {len(sets[TRAIN].text)} utterances, by {kind}")
        sets |= {TRAIN: split.train, **split.held_out}
    if not all(data.sorts_by_speaker for data in sets.values()):
        sets = {name: data.with_speakers_first() for name, data in sets.items()}
    if repeated := _num_repeated(sets):
        note(
            f"{repeated} of {len(sets[TEST].text)} sentences of test are in train as well; a model "
            f"makes more errors on new ones"
        )
    return {name: sets[name] for name in SETS}, {name: left_out.get(name, {}) for name in SETS}


def _read(
    place: Path, *, skip_bad: bool
) -> tuple[dict[str, DataDir], dict[str, Mapping[str, str]]]:
    if place.is_file():
        if place.suffix.lower() not in ENDINGS:
            raise ValueError(f"{place}: a file of recordings is a .csv or a .tsv, or name a folder")
        return _found_sets(place, {TRAIN: place}, read_rows, skip_bad=skip_bad)
    if not place.is_dir():
        raise FileNotFoundError(f"corpus {FOLDER}: no folder or table {place}")
    if (place / "wav.scp").exists():
        return read_kaldi_sets(place, {TRAIN: place}, skip_bad=skip_bad)
    parts = {name: place / name for name in SETS if (place / name).is_dir()}
    if any((part / "wav.scp").exists() for part in parts.values()):
        _check_train(place, parts)
        return read_kaldi_sets(place, parts, skip_bad=skip_bad)
    if (place / _OF_AISHELL).is_dir():
        raise ValueError(
            f"{place}: this is AISHELL-1 with a split of its own; say --corpus aishell"
        )
    tables = sorted(path for path in place.iterdir() if path.suffix.lower() in ENDINGS)
    if tables:
        return _found_sets(place, _tables(place, tables), read_rows, skip_bad=skip_bad)
    if TRAIN not in parts:
        parts = {TRAIN: place}
    return _found_sets(place, parts, read_pairs, skip_bad=skip_bad)


def _tables(place: Path, tables: Sequence[Path]) -> dict[str, Path]:
    if len(tables) == 1:
        return {TRAIN: tables[0]}
    parts = {path.stem: path for path in tables if path.stem in SETS}
    if len(parts) < len(tables):
        names = ", ".join(path.name for path in tables)
        raise ValueError(
            f"{place}: several tables, {names}; name one of them as --corpus-dir, or name them "
            f"train, dev and test"
        )
    _check_train(place, parts)
    return parts


def _check_train(place: Path, parts: Mapping[str, Path]) -> None:
    if TRAIN not in parts:
        raise ValueError(f"{place}: has {', '.join(parts)} and no {TRAIN} to train on")


def _found_sets(
    place: Path, parts: Mapping[str, Path], read: Callable[[Path], Found], *, skip_bad: bool
) -> tuple[dict[str, DataDir], dict[str, Mapping[str, str]]]:
    found = {name: read(part) for name, part in parts.items()}
    faults = [fault for part in found.values() for fault in part.faults]
    if faults and not skip_bad:
        raise FaultsError(place, faults)
    sets = {}
    for name, part in found.items():
        data = part.data_dir()
        if data is None:
            raise FaultsError(parts[name], part.faults)
        sets[name] = data
    if len(sets) > 1:
        # Pairs of two folders may have equal names, which ids of one corpus may not have.
        sets = {name: _distinct(name, data, sets) for name, data in sets.items()}
    return sets, {name: part.left_out() for name, part in found.items()}


def _distinct(name: str, data: DataDir, sets: Mapping[str, DataDir]) -> DataDir:
    others = {utterance for other, its in sets.items() if other != name for utterance in its.text}
    if not others & data.text.keys():
        return data
    wav_scp, text, utt2spk = (
        {f"{utterance}-{name}": value for utterance, value in table.items()}
        for table in (data.wav_scp, data.text, data.utt2spk)
    )
    return DataDir(data.path, wav_scp, text, utt2spk)


def _num_repeated(sets: Mapping[str, DataDir]) -> int:
    """Count the test sentences that training has too: their error rate flatters a model."""
    trained = {normalize_text(text) for text in sets[TRAIN].text.values()}
    return sum(normalize_text(text) in trained for text in sets[TEST].text.values())
