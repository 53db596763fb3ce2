"""Check of the audio of a data directory: every utterance is read to its end."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from speechmoe_espnet.data.audio import read_channels
from speechmoe_espnet.data.dir_check import CheckedDir
from speechmoe_espnet.data.faults import Fault, Harm
from speechmoe_espnet.data.kaldi_dir import DataDir, Segment
from speechmoe_espnet.data.table_check import check_table
from speechmoe_espnet.pipeline.pool import ONE_PROCESS
from speechmoe_espnet.pipeline.workers import Job, Progress, Workers, no_progress

CHUNK_SIZE = 100
SHORTEST = 0.025
"""Seconds of a frame: shorter utterances have no features."""
_MAX_DRIFT = 0.05
"""Seconds by which `utt2dur` may differ from the recording."""
_SHIFT = 0.01


type _Task = tuple[str, str, Segment]
"""Utterance, its recording, and the part of it."""


@dataclass(frozen=True)
class CheckedAudio:
    """Outcome of a check.

    Attributes:
        faults: Every fault of the audio.
        left_out: Why utterances cannot be used.
        seconds: Duration of each other utterance, as it was read.
    """

    faults: tuple[Fault, ...]
    left_out: dict[str, str]
    seconds: dict[str, float]


@dataclass(frozen=True)
class _Heard:
    seconds: float = 0.0
    rate: int = 0
    channels: int = 0
    problem: str = ""


@dataclass(frozen=True)
class _Chunk:
    """Utterances to read, but for those that are left out, with why."""

    tasks: Sequence[_Task]
    left_out: Mapping[str, str] = field(default_factory=dict)


def check_audio(
    checked: CheckedDir,
    sample_rate: int,
    workers: Workers = ONE_PROCESS,
    progress: Progress = no_progress,
) -> CheckedAudio:
    """Read the utterances of a checked directory.

    Args:
        checked: Outcome of `check_dir`; its `data` is read.
        sample_rate: Sample rate that recipes work with, Hz.
        workers: Processes that read.
        progress: Shows the progress.
    """
    data = checked.data
    if data is None:
        return CheckedAudio((), {}, {})
    heard = dict(_hear(data, workers, progress))
    left_out = {name: found.problem for name, found in heard.items() if found.problem}
    seconds = {name: found.seconds for name, found in heard.items() if not found.problem}
    faults = [checked.audio_fault(name, problem) for name, problem in left_out.items()]
    faults += _notes(checked, heard, sample_rate)
    faults += _stale(checked.path / "utt2dur", seconds)
    frames = {name: 1 + (value - SHORTEST) / _SHIFT for name, value in seconds.items()}
    faults += _stale(checked.path / "utt2num_frames", frames, "frames", 2)
    return CheckedAudio(tuple(faults), left_out, seconds)


def _hear(data: DataDir, workers: Workers, progress: Progress) -> Iterator[tuple[str, _Heard]]:
    tasks: list[_Task] = []
    for name in data.utterances:
        segment = Segment.whole(name) if data.segments is None else data.segments[name]
        tasks.append((name, data.wav_scp[segment.recording], segment))
    chunks = [
        _Chunk(tuple(tasks[first : first + CHUNK_SIZE]))
        for first in range(0, len(tasks), CHUNK_SIZE)
    ]
    job = Job(_read_chunk, preload=[__name__], split=_utterances_of, without=_without)
    results = workers.map(job, chunks)
    done = progress(results, len(chunks), f"{data.path}: blocks of {CHUNK_SIZE} utterances")
    for result in done:
        yield from result


def _read_chunk(chunk: _Chunk) -> list[tuple[str, _Heard]]:
    return [
        (
            name,
            _Heard(problem=chunk.left_out[name])
            if name in chunk.left_out
            else _read(path, segment),
        )
        for name, path, segment in chunk.tasks
    ]


def _utterances_of(chunk: _Chunk) -> dict[str, _Chunk]:
    return {task[0]: _Chunk((task,)) for task in chunk.tasks}


def _without(chunk: _Chunk, left_out: Mapping[str, str]) -> _Chunk:
    return _Chunk(chunk.tasks, left_out)


def _read(path: str, segment: Segment) -> _Heard:
    try:
        samples, rate = read_channels(path, segment.start, segment.end)
    except (ValueError, OSError) as error:
        return _Heard(problem=str(error))
    seconds, channels = len(samples) / rate, samples.shape[1]
    if seconds < SHORTEST:
        problem = f"lasts {1000 * seconds:.1f} ms, too short for one frame of 25 ms; leave it out"
        return _Heard(seconds, rate, channels, problem)
    return _Heard(seconds, rate, channels)


def _notes(checked: CheckedDir, heard: dict[str, _Heard], sample_rate: int) -> Iterator[Fault]:
    """Note what recipes convert."""
    for name, found in heard.items():
        what = []
        if found.rate not in (0, sample_rate):
            what.append(f"{found.rate} Hz, not {sample_rate}")
        if found.channels > 1:
            what.append(f"{found.channels} channels")
        if what and not found.problem:
            problem = f"{' and '.join(what)}; --corpus kaldi converts it (resample, channel)"
            fault = checked.audio_fault(name, problem)
            yield Fault(fault.file, fault.line, name, "to convert", fault.problem, Harm.NOTE)


def _stale(
    path: Path, values: dict[str, float], unit: str = "s", drift: float = _MAX_DRIFT
) -> Iterator[Fault]:
    """Compare a table of lengths with what was read."""
    table = check_table(path)
    yield from table.faults
    for name, text in table.entries.items():
        try:
            right = name not in values or abs(float(text) - values[name]) <= drift
        except ValueError:
            right = False
        if not right:
            length = f"{values[name]:.2f}" if unit == "s" else f"{values[name]:.0f}"
            problem = f"says {text}, the audio has {length} {unit}; remove {path.name}"
            yield Fault(
                str(path), table.lines[name], name, f"stale {path.name}", problem, Harm.FORM
            )
