"""Recordings with transcripts, found in a folder that is no data directory, and their faults."""

import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from speechmoe_espnet.data.faults import Fault
from speechmoe_espnet.data.kaldi_dir import DataDir
from speechmoe_espnet.data.table import check_location
from speechmoe_espnet.data.text_norm import normalize_text


@dataclass(frozen=True)
class Recorded:
    """A recording that is one utterance.

    Attributes:
        name: Id of the utterance.
        audio: Its file.
        text: Its transcript.
        speaker: Who speaks; empty where nobody says.
        file: The file that says so, for messages.
        line: Line of that file, from 1; 0 for the file as a whole.
    """

    name: str
    audio: Path
    text: str
    speaker: str
    file: Path
    line: int = 0


@dataclass
class Found:
    """What was found in a folder.

    Attributes:
        place: The folder or the file.
        recordings: Those that can be used.
        faults: Why the others cannot be used.
    """

    place: Path
    recordings: list[Recorded] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def refuse(self, item: Recorded, kind: str, problem: str) -> None:
        """Note that a recording cannot be used."""
        self.faults.append(Fault(str(item.file), item.line, item.name, kind, problem))

    def take(self, items: Iterable[Recorded]) -> None:
        """Take recordings, those without a fault as usable ones.

        Faults are a name that two of them have, no transcript, no file, and a file whose name no
        data directory can hold.
        """
        by_name: dict[str, list[Recorded]] = {}
        for item in items:
            by_name.setdefault(item.name, []).append(item)
        for same in by_name.values():
            for item in same:
                if len(same) > 1:
                    others = ", ".join(
                        f"{other.audio.name} (line {other.line})"
                        if other.line
                        else str(other.audio)
                        for other in same
                        if other is not item
                    )
                    self.refuse(
                        item,
                        "two of one name",
                        f"{item.audio.name} and {others} have the same name without their endings; "
                        f"rename one or leave it out",
                    )
                elif kind_and_problem := _fault(item):
                    self.refuse(item, *kind_and_problem)
                else:
                    self.recordings.append(item)

    def data_dir(self) -> DataDir | None:
        """Return the usable recordings as a data directory; None where there is none.

        A recording without a speaker has its own id as speaker, as in Kaldi.
        """
        if not self.recordings:
            return None
        return DataDir(
            self.place,
            {item.name: os.path.abspath(item.audio) for item in self.recordings},
            {item.name: " ".join(item.text.split()) for item in self.recordings},
            {item.name: item.speaker or item.name for item in self.recordings},
        )

    def left_out(self) -> dict[str, str]:
        """Return why recordings cannot be used, by id."""
        return {fault.name: fault.problem for fault in self.faults}


def utterance_id(path: str | os.PathLike[str]) -> str:
    """Return the id of a recording: its path without the ending, folders joined by dashes.

    Args:
        path: Path relative to the folder of the corpus.
    """
    stem, _ = os.path.splitext(path)
    parts = [part for part in Path(stem).parts if part not in ("..", os.sep)]
    return name_of("-".join(parts))


def name_of(text: str) -> str:
    """Return a text as an id of a table: composed characters, without white space."""
    return "_".join(unicodedata.normalize("NFC", text).replace("\ufeff", "").split())


def _fault(item: Recorded) -> tuple[str, str] | None:
    if not os.path.isfile(item.audio):
        return "no audio file", f"there is no file {item.audio}; correct the path or leave it out"
    if problem := _unwritable(os.path.abspath(item.audio)):
        return "name of a file", problem
    if not normalize_text(item.text):
        return "no text", "the transcript is empty; write what is said or leave the recording out"
    return None


def _unwritable(location: str) -> str:
    """Return why no data directory can hold a path; empty where it can."""
    try:
        location.encode()
        check_location(location)
    except UnicodeEncodeError:
        return "the name of its file is not UTF-8; rename it"
    except ValueError as error:
        return f"{error}; or rename it"
    if location != location.strip() or any(ord(character) < 32 for character in location):
        return f"white space ends the name of its file or breaks it, {location!r}; rename it"
    return ""
