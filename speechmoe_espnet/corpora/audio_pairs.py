"""Folders of pairs: a recording and a .txt with its transcript, of one name but for the ending."""

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from speechmoe_espnet.corpora.transcribed import Found, Recorded, name_of, utterance_id
from speechmoe_espnet.data.text_file import read_text

TRANSCRIPT = ".txt"
# Endings of containers that libsndfile or PyAV opens; other files of a folder are passed over.
AUDIO = frozenset(
    {
        *(".3gp", ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".amr", ".au", ".avi", ".caf"),
        *(".flac", ".m4a", ".m4b", ".mka", ".mkv", ".mov", ".mp2", ".mp3", ".mp4", ".mpeg"),
        *(".mpg", ".oga", ".ogg", ".opus", ".rf64", ".snd", ".sph", ".spx", ".w64", ".wav"),
        *(".wave", ".webm", ".wma", ".wmv", ".wv"),
    }
)


def read_pairs(folder: Path) -> Found:
    """Find the pairs in a folder and in the folders below it.

    The folder directly below is the speaker; a recording beside these folders has none. Hidden
    files, and files that are neither .txt nor audio, are passed over.

    Args:
        folder: The folder.

    Returns:
        The recordings, and a fault for each file that has no partner or several.

    Raises:
        ValueError: There is neither a recording nor a .txt.
    """
    found, items = Found(folder), []
    groups = _groups(folder)
    for place, audio, texts in groups:
        item = _recorded(folder, place, (audio or texts)[0])
        if not texts:
            found.refuse(
                item, "no transcript", f"{audio[0].name} has no {place.name}{TRANSCRIPT} beside it"
            )
        elif not audio:
            found.refuse(
                item,
                "no recording",
                f"{texts[0].name} has no recording of its name beside it; audio ends in .wav, "
                f".flac, .mp3, .m4a, ...",
            )
        elif len(audio) > 1 or len(texts) > 1:
            names = ", ".join(path.name for path in (audio if len(audio) > 1 else texts))
            found.refuse(
                item,
                "two of one name",
                f"{names} have the same name without their endings; leave one of them",
            )
        else:
            try:
                text = read_text(texts[0])
            except (ValueError, OSError) as error:
                found.refuse(item, "no text", str(error))
                continue
            items.append(Recorded(item.name, audio[0], text, item.speaker, texts[0]))
    if not groups:
        raise ValueError(f"{folder}: neither recordings nor {TRANSCRIPT} files in it")
    found.take(items)
    return found


def _groups(folder: Path) -> list[tuple[Path, list[Path], list[Path]]]:
    """Return path without ending, recordings and transcripts of each name."""
    groups: dict[Path, tuple[list[Path], list[Path]]] = {}
    for path in _files(folder):
        ending = path.suffix.lower()
        if ending == TRANSCRIPT or ending in AUDIO:
            place = path.parent / unicodedata.normalize("NFC", path.stem)
            groups.setdefault(place, ([], []))[ending == TRANSCRIPT].append(path)
    return [(place, *files) for place, files in groups.items()]


def _files(folder: Path) -> Iterator[Path]:
    for place, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(place) / name


def _recorded(folder: Path, place: Path, file: Path) -> Recorded:
    """Return id and speaker of a pair; the path has no ending."""
    inside = place.relative_to(folder)
    speaker = name_of(inside.parts[0]) if len(inside.parts) > 1 else ""
    return Recorded(utterance_id(f"{inside}{TRANSCRIPT}"), file, "", speaker, file)
