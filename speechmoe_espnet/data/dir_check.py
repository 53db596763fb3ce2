"""Check of a data directory that finds every fault at once, and what is left without them.

`DataDir.load` stops at the first fault; it accepts a directory that has none here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from speechmoe_espnet.data.faults import Fault
from speechmoe_espnet.data.kaldi_dir import DataDir, Segment, spk2utt_from
from speechmoe_espnet.data.table_check import CheckedTable, check_table

_NEEDED = {
    "wav.scp": "write it: `utterance path` (`recording path` if there are segments), a line each",
    "text": "write it: `utterance transcript`, a line each",
    "utt2spk": "write it: `utterance speaker`, a line each; `utterance utterance` where speakers "
    "are unknown, as --fix does",
}


@dataclass(frozen=True)
class CheckedDir:
    """Outcome of a check.

    Attributes:
        path: The directory.
        data: The directory without the utterances that have a fault; None if none is left.
        faults: Every fault, by file and line.
        left_out: Why each utterance is not in `data`.
        num_utterances: Utterances of the directory, with and without a fault.
        lines: Line of each id, by name of the file.
    """

    path: Path
    data: DataDir | None
    faults: tuple[Fault, ...]
    left_out: Mapping[str, str]
    num_utterances: int
    lines: Mapping[str, Mapping[str, int]]

    def fault(self, file: str, name: str, kind: str, problem: str) -> Fault:
        """Return a fault of an id in one of the tables, found after the check."""
        path = self.path / file
        return Fault(str(path), self.lines.get(file, {}).get(name, 0), name, kind, problem)

    def audio_fault(self, name: str, problem: str) -> Fault:
        """Return the fault of the audio of an utterance in `data`, in the table that names it."""
        assert self.data is not None
        segments = self.data.segments
        recording = name if segments is None else segments[name].recording
        file = "wav.scp" if segments is None else "segments"
        return self.fault(file, name, "bad audio", f"{self.data.wav_scp[recording]}: {problem}")


def check_dir(path: str | Path) -> CheckedDir:
    """Check the tables of a directory against each other, and that its audio files exist.

    Audio is not read; `audio_check` does that.

    Args:
        path: The directory; relative paths in its `wav.scp` start at the current directory.

    Raises:
        FileNotFoundError: There is no such directory.
    """
    path = Path(path)
    if not path.is_dir():
        raise FileNotFoundError(f"no data directory {path}")
    return _Check(path).outcome()


class _Check:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.wavs = check_table(path / "wav.scp", of_files=True)
        self.text = check_table(path / "text")
        self.speakers = check_table(path / "utt2spk")
        self.spk2utt = check_table(path / "spk2utt")
        self.parts = check_table(path / "segments")
        self.segments: dict[str, Segment] = {}
        self.has_segments = self.parts.exists
        for table in (self.wavs, self.text, self.speakers):
            if not table.exists:
                table.add("missing file", f"there is no such file; {_NEEDED[table.path.name]}")
        self._check_files()
        self._check_segments()
        self._check_speakers()

    def _check_files(self) -> None:
        for name, location in list(self.wavs.entries.items()):
            if "|" in location or location == "-":
                self.wavs.drop(
                    name,
                    "pipe",
                    f"pipes are not supported, got {location!r}; write the command's output to a "
                    f"file and give its path",
                )
            elif not Path(location).is_file():
                self.wavs.drop(
                    name,
                    "no audio file",
                    f"there is no file {location}; correct the path (relative ones start at "
                    f"{Path.cwd()}), or leave it out",
                )

    def _check_segments(self) -> None:
        for name, value in list(self.parts.entries.items()):
            try:
                segment = Segment.parse(value)
            except ValueError as error:
                self.parts.drop(name, "no segment", f"{error}; correct the line")
                continue
            if segment.recording in self.wavs.entries:
                self.segments[name] = segment
            elif segment.recording in self.wavs.bad:
                # The fault is that of the recording, noted there.
                self.parts.entries.pop(name)
                reason = f"recording {segment.recording}: {self.wavs.bad[segment.recording]}"
                self.parts.bad[name] = reason
            else:
                self.parts.drop(
                    name,
                    "no recording",
                    f"wav.scp lacks its recording {segment.recording}; add it, or remove the line",
                )

    def _check_speakers(self) -> None:
        for name, speaker in list(self.speakers.entries.items()):
            if speaker.split() != [speaker]:
                self.speakers.drop(name, "no speaker", f"expected one speaker, got {speaker!r}")

    def outcome(self) -> CheckedDir:
        audio = self.parts if self.has_segments else self.wavs
        kept, left_out = [], {}
        names = sorted({*self.text.lines, *audio.lines})
        for name in names:
            reasons = [
                table.bad.get(name) or self._missing(name, table, others)
                for table, others in ((self.text, audio), (audio, self.text))
                if name not in table.entries
            ]
            if reasons:
                left_out[name] = "; ".join(reason for reason in reasons if reason)
            else:
                kept.append(name)
        self._check_who(kept, set(names))
        utt2spk = {name: self.speakers.entries.get(name, name) for name in kept}
        if not self.speakers.faults and self.speakers.entries.keys() >= set(kept):
            self._check_spk2utt()
        tables = (self.wavs, self.text, self.speakers, self.parts, self.spk2utt)
        return CheckedDir(
            self.path,
            self._data(kept, utt2spk),
            tuple(sorted((f for table in tables for f in table.faults), key=_by_place)),
            left_out,
            len(names),
            {table.path.name: table.lines for table in tables},
        )

    def _missing(self, name: str, table: CheckedTable, other: CheckedTable) -> str:
        """Note that an utterance of one table is not in another, which has no fault of its own."""
        what = "transcript" if table is self.text else "audio"
        problem = f"has no {what}: {table.path.name} lacks it; add it, or remove this line"
        if table.exists:
            line = other.lines.get(name, 0)
            other.add(f"no {what}", problem, line=line, name=name)
        return f"no {what}"

    def _check_who(self, kept: list[str], known: set[str]) -> None:
        for name in kept:
            if self.speakers.exists and name not in self.speakers.lines:
                problem = "has no speaker: utt2spk lacks it; add it (--fix takes the id itself)"
                self.text.add("no speaker", problem, line=self.text.lines[name], name=name)
        for name, line in self.speakers.lines.items():
            if name not in known:
                problem = "is in utt2spk alone; remove the line, or add its audio and transcript"
                self.speakers.add("unknown utterance", problem, line=line, name=name)

    def _check_spk2utt(self) -> None:
        if not self.spk2utt.exists:
            return
        expected = spk2utt_from(self.speakers.entries)
        for speaker in sorted(self.spk2utt.entries.keys() | expected.keys()):
            got = " ".join(sorted(self.spk2utt.entries.get(speaker, "").split()))
            if got != expected.get(speaker, ""):
                self.spk2utt.add(
                    "spk2utt",
                    "disagrees with utt2spk; remove spk2utt, it follows from utt2spk",
                    line=self.spk2utt.lines.get(speaker, 0),
                    name=speaker,
                )

    def _data(self, kept: list[str], utt2spk: dict[str, str]) -> DataDir | None:
        if not kept:
            return None
        text = {name: self.text.entries[name] for name in kept}
        if not self.has_segments:
            return DataDir(
                self.path, {name: self.wavs.entries[name] for name in kept}, text, utt2spk
            )
        segments = {name: self.segments[name] for name in kept}
        used = sorted({segment.recording for segment in segments.values()})
        wav_scp = {name: self.wavs.entries[name] for name in used}
        return DataDir(self.path, wav_scp, text, utt2spk, segments)


def _by_place(fault: Fault) -> tuple[str, int, str]:
    return fault.file, fault.line, fault.name
