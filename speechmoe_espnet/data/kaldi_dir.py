"""Kaldi data directories, checked when they are read, so that bad data stops a recipe early.

A directory holds `wav.scp`, `text`, `utt2spk` and, where utterances are parts of recordings,
`segments`; `spk2utt` follows from `utt2spk`. Files are joined by utterance id, never by line.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from speechmoe_espnet.data.table import (
    check_location,
    join_error,
    read_scp,
    read_table,
    write_table,
)

__all__ = [
    "TO_THE_END",
    "DataDir",
    "Segment",
    "check_same_ids",
    "join_error",
    "read_table",
    "spk2utt_from",
    "validate_data_dir",
    "write_table",
]

TO_THE_END = -1.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a recording.

    Attributes:
        recording: Id in `wav.scp`.
        start: Seconds from the beginning of the recording.
        end: Seconds from the beginning of the recording, or -1 for the recording's end.
    """

    recording: str
    start: float
    end: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start) and math.isfinite(self.end) and self.start >= 0):
            raise ValueError(f"times must be finite, start at least 0: {self.start} {self.end}")
        if self.end != TO_THE_END and self.end <= self.start:
            raise ValueError(
                f"end must be later than start (or -1 for the end of the recording): "
                f"start {self.start}, end {self.end}"
            )

    @classmethod
    def parse(cls, value: str) -> Self:
        """Read `recording start end`, the value of a line of `segments`.

        Raises:
            ValueError: There are not three fields, or the times are not valid.
        """
        fields = value.split()
        if len(fields) != 3:
            raise ValueError(f"expected `recording start end`, got {value!r}")
        try:
            start, end = float(fields[1]), float(fields[2])
        except ValueError:
            raise ValueError(f"start and end must be seconds, got {value!r}") from None
        return cls(fields[0], start, end)

    @classmethod
    def whole(cls, recording: str) -> Self:
        """Return the segment that covers a whole recording."""
        return cls(recording, 0.0, TO_THE_END)

    def __str__(self) -> str:
        return f"{self.recording} {self.start} {self.end}"


@dataclass(frozen=True)
class DataDir:
    """One data directory in memory; its files agree on their ids.

    Attributes:
        path: Path of the directory.
        wav_scp: Audio path by utterance id, or by recording id where there are segments.
        text: Transcript by utterance id.
        utt2spk: Speaker by utterance id.
        segments: Segment by utterance id, or None where each recording is one utterance.
    """

    path: Path
    wav_scp: Mapping[str, str]
    text: Mapping[str, str]
    utt2spk: Mapping[str, str]
    segments: Mapping[str, Segment] | None = None

    def __post_init__(self) -> None:
        if not self.text:
            raise ValueError(f"{self.path}: no utterances")
        check_same_ids(self.path / "text", self.text, self.path / "utt2spk", self.utt2spk)
        if self.segments is None:
            check_same_ids(self.path / "text", self.text, self.path / "wav.scp", self.wav_scp)
        else:
            check_same_ids(self.path / "text", self.text, self.path / "segments", self.segments)
            used = {segment.recording for segment in self.segments.values()}
            missing = used - self.wav_scp.keys()
            if missing:
                raise join_error(
                    self.path / "wav.scp", "lacks recordings that segments names", missing
                )
        for name, location in self.wav_scp.items():
            try:
                check_location(location)
            except ValueError as error:
                raise ValueError(f"{self.path / 'wav.scp'}: {name}: {error}") from None
        for name, speaker in self.utt2spk.items():
            if speaker.split() != [speaker]:
                raise ValueError(
                    f"{self.path / 'utt2spk'}: {name}: expected one speaker, got {speaker!r}"
                )

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a directory and join its files by id.

        Args:
            path: The data directory.

        Raises:
            FileNotFoundError: The directory or one of its files does not exist.
            ValueError: A line cannot be read, or the files disagree about their ids; the
                message names the file, the line or up to five ids.
        """
        path = Path(path)
        if not path.is_dir():
            raise FileNotFoundError(f"no data directory {path}")
        segments = None
        if (path / "segments").exists():
            segments = read_segments(path / "segments")
        data = cls(
            path=path,
            wav_scp=read_scp(path / "wav.scp", allow_empty=True),
            text=read_table(path / "text"),
            utt2spk=read_table(path / "utt2spk"),
            segments=segments,
        )
        if (path / "spk2utt").exists():
            _check_spk2utt(path / "spk2utt", data.utt2spk)
        return data

    @property
    def utterances(self) -> tuple[str, ...]:
        """Utterance ids in the order of the files."""
        return tuple(sorted(self.text))

    @property
    def sorts_by_speaker(self) -> bool:
        """Whether utterances sorted by id are sorted by speaker too, as Kaldi wants them."""
        speakers = [self.utt2spk[name] for name in self.utterances]
        return speakers == sorted(speakers)

    def with_speakers_first(self) -> Self:
        """Return the directory with ids SPEAKER-UTTERANCE, Kaldi's cure for their order."""
        names = {name: f"{speaker}-{name}" for name, speaker in self.utt2spk.items()}

        def renamed[T](table: Mapping[str, T]) -> dict[str, T]:
            return {names[name]: value for name, value in table.items()}

        segments = self.segments
        return replace(
            self,
            wav_scp=renamed(self.wav_scp) if segments is None else self.wav_scp,
            text=renamed(self.text),
            utt2spk=renamed(self.utt2spk),
            segments=None if segments is None else renamed(segments),
        )

    def part(self, utterances: Iterable[str]) -> Self | None:
        """Return the directory with some of its utterances alone; None for no utterance."""
        names = sorted(utterances)
        if not names:
            return None
        segments = None
        recordings: Iterable[str] = names
        if self.segments is not None:
            segments = {name: self.segments[name] for name in names}
            recordings = sorted({segment.recording for segment in segments.values()})
        return type(self)(
            self.path,
            {name: self.wav_scp[name] for name in recordings},
            {name: self.text[name] for name in names},
            {name: self.utt2spk[name] for name in names},
            segments,
        )

    def write(self, path: str | Path) -> None:
        """Write the five files (four without segments) to a directory, made if needed."""
        path = Path(path)
        path.mkdir(parents=True, exist_ok=True)
        write_table(path / "wav.scp", self.wav_scp)
        write_table(path / "text", self.text)
        write_table(path / "utt2spk", self.utt2spk)
        write_table(path / "spk2utt", spk2utt_from(self.utt2spk))
        if self.segments is not None:
            lines = {name: str(segment) for name, segment in self.segments.items()}
            write_table(path / "segments", lines)


def validate_data_dir(path: str | Path) -> DataDir:
    """Read a data directory and check that its audio files exist.

    Args:
        path: The data directory; relative paths in its `wav.scp` start at the current directory,
            as in Kaldi.

    Returns:
        The data directory.

    Raises:
        FileNotFoundError: A file of the directory, or an audio file, does not exist.
        ValueError: As `DataDir.load`.
    """
    data = DataDir.load(path)
    missing = {name for name, wav in data.wav_scp.items() if not Path(wav).is_file()}
    if missing:
        example = min(missing)
        raise FileNotFoundError(
            f"{join_error(data.path / 'wav.scp', 'audio files do not exist for', missing)} "
            f"({example}: {data.wav_scp[example]}; relative paths start at {Path.cwd()})"
        )
    return data


def check_same_ids(
    reference: str | Path, expected: Iterable[str], other: str | Path, got: Iterable[str]
) -> None:
    """Check that two tables have the same ids.

    Args:
        reference: Name of the reference table.
        expected: Ids of the reference table.
        other: Name of the other table.
        got: Ids of the other table.

    Raises:
        ValueError: Ids are missing or extra; the message names both tables and up to five ids.
    """
    expected, got = set(expected), set(got)
    if missing := expected - got:
        raise join_error(other, f"lacks utterances that {reference} has", missing)
    if extra := got - expected:
        raise join_error(other, f"has utterances that {reference} lacks", extra)


def spk2utt_from(utt2spk: Mapping[str, str]) -> dict[str, str]:
    """Invert `utt2spk`.

    Args:
        utt2spk: Speaker by utterance id.

    Returns:
        Utterance ids, sorted and separated by one space, by speaker.
    """
    utterances: dict[str, list[str]] = {}
    for name in sorted(utt2spk):
        utterances.setdefault(utt2spk[name], []).append(name)
    return {speaker: " ".join(names) for speaker, names in sorted(utterances.items())}


def read_segments(path: Path) -> dict[str, Segment]:
    """Read a `segments` file: the part of a recording that each utterance is.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line is not a segment; the message names file and utterance.
    """
    segments = {}
    for name, value in read_table(path).items():
        try:
            segments[name] = Segment.parse(value)
        except ValueError as error:
            raise ValueError(f"{path}: {name}: {error}") from None
    return segments


def _check_spk2utt(path: Path, utt2spk: Mapping[str, str]) -> None:
    got = {speaker: " ".join(sorted(names.split())) for speaker, names in read_table(path).items()}
    expected = spk2utt_from(utt2spk)
    wrong = {
        speaker
        for speaker in got.keys() | expected.keys()
        if got.get(speaker) != expected.get(speaker)
    }
    if wrong:
        raise join_error(path, "disagrees with utt2spk about speakers", wrong)
