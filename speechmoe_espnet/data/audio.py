"""Reader of audio files: one channel, a segment or the whole file, or a clear error."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from speechmoe_espnet.data.kaldi_dir import TO_THE_END, DataDir, Segment

MAX_OVERSHOOT = 0.5
INT16_SCALE = 32768.0
# Formats that libsndfile reads into 16-bit samples without loss.
INT16_FORMATS = frozenset({"WAV", "WAVEX", "RF64", "W64", "FLAC", "AIFF", "AU", "NIST"})

type Samples = NDArray[np.float32] | NDArray[np.int16]


def read_audio(
    path: str | Path, start: float = 0.0, end: float = TO_THE_END
) -> tuple[NDArray[np.float32], int]:
    """Read one utterance as float; only the needed part of the file is read.

    An end up to 0.5 s past the end of the recording is cut, as in Kaldi's extract-segments; a
    later end is an error.

    Args:
        path: A file in a format that libsndfile reads and that has a header.
        start: Start of the segment in seconds.
        end: End of the segment in seconds, or -1 for the end of the file.

    Returns:
        Samples (num_samples,) in [-1, 1), and the sample rate in Hz.

    Raises:
        ValueError: The file cannot be read, has several channels, holds no samples or values
            that are not finite, or the segment lies outside of the file.
    """
    samples, rate = read_samples(path, start, end)
    return as_float(samples), rate


def read_samples(
    path: str | Path, start: float = 0.0, end: float = TO_THE_END
) -> tuple[Samples, int]:
    """Read one utterance as `read_audio` does, but keep 16-bit samples as integers.

    A segment of an MP3 file is read from one second before its start: MP3 frames use bits of
    earlier frames, and after a seek the decoder returns silence until it has them.

    Returns:
        Samples (num_samples,), int16 where the file holds 16-bit integers and float32 in
        [-1, 1) otherwise, and the sample rate in Hz.

    Raises:
        ValueError: As `read_audio`.
    """
    if Path(path).suffix.lower() == ".raw":
        raise ValueError(
            "is named like audio without a header, which states no sample rate or encoding; "
            "convert it, e.g. `sox -r 16000 -e signed -b 16 -c 1 in.raw out.wav`"
        )
    try:
        with soundfile.SoundFile(path) as file:
            if file.channels != 1:
                raise ValueError(
                    f"has {file.channels} channels, 1 is expected; write each channel to a "
                    f"file of its own, e.g. `sox in.wav out.wav remix 1`"
                )
            first, last = _sample_range(file, start, end)
            rate = file.samplerate
            run_up = min(first, rate) if file.format == "MP3" else 0
            if first > run_up:
                file.seek(first - run_up)
            exact = file.subtype == "PCM_16" and file.format in INT16_FORMATS
            samples: Samples = file.read(
                last - first + run_up, dtype="int16" if exact else "float32"
            )[run_up:]
    except soundfile.LibsndfileError as error:
        raise ValueError(f"cannot be read as audio: {error.error_string}") from None
    if len(samples) < last - first:
        raise ValueError(
            f"ends after {first + len(samples)} samples where its header promises {last}"
        )
    if samples.dtype != np.int16 and not np.isfinite(samples).all():
        raise ValueError("has samples that are not finite")
    return samples, rate


def as_float(samples: Samples) -> NDArray[np.float32]:
    """Scale 16-bit samples to [-1, 1) exactly; return floats unchanged."""
    if samples.dtype == np.int16:
        return samples * np.float32(1 / INT16_SCALE)
    return samples.astype(np.float32, copy=False)


def _sample_range(file: soundfile.SoundFile, start: float, end: float) -> tuple[int, int]:
    if file.frames == 0:
        raise ValueError("is empty (no samples)")
    duration = file.frames / file.samplerate
    if start >= duration:
        raise ValueError(f"segment starts at {start} s, the recording lasts {duration:.3f} s")
    if end == TO_THE_END:
        end = duration
    if end > duration + MAX_OVERSHOOT:
        raise ValueError(
            f"segment ends at {end} s, the recording lasts {duration:.3f} s "
            f"(an end up to {MAX_OVERSHOOT} s late is cut)"
        )
    first = round(start * file.samplerate)
    last = min(round(end * file.samplerate), file.frames)
    if last <= first:
        raise ValueError(f"segment {start} {end} holds no samples at {file.samplerate} Hz")
    return first, last


def total_seconds(data: DataDir) -> float:
    """Add up the durations of the utterances of a data directory; only headers are read.

    Args:
        data: A data directory whose audio files exist.

    Raises:
        ValueError: A file cannot be read, or a segment lies outside of its recording; the
            message names it.
    """
    if data.segments is None:
        return sum(_durations(data).values())
    return sum(segment.end - segment.start for segment in _inside(data, data.segments).values())


def with_ends(data: DataDir) -> DataDir:
    """Return a data directory in which every segment states its end.

    Other tools do not know -1 for the end of the recording: Kaldi's `validate_data_dir.sh` refuses
    it, lhotse takes it for a time.

    Args:
        data: A data directory whose audio files exist; their headers are read if an end is -1.

    Raises:
        ValueError: As `total_seconds`.
    """
    segments = data.segments
    if segments is None or all(segment.end != TO_THE_END for segment in segments.values()):
        return data
    ends = {
        name: inside if segments[name].end == TO_THE_END else segments[name]
        for name, inside in _inside(data, segments).items()
    }
    return replace(data, segments=ends)


def _durations(data: DataDir) -> dict[str, float]:
    """Seconds of each recording."""
    durations: dict[str, float] = {}
    for recording, path in data.wav_scp.items():
        try:
            info = soundfile.info(path)
        except soundfile.LibsndfileError as error:
            raise ValueError(
                f"{data.path}: {recording} ({path}): cannot be read as audio: {error.error_string}"
            ) from None
        durations[recording] = info.frames / info.samplerate
    return durations


def _inside(data: DataDir, segments: Mapping[str, Segment]) -> dict[str, Segment]:
    """The segments with ends that lie within their recordings."""
    durations = _durations(data)
    found = {}
    for name, segment in segments.items():
        duration = durations[segment.recording]
        if segment.start >= duration or segment.end > duration + MAX_OVERSHOOT:
            raise ValueError(
                f"{data.path}: {name}: segment {segment} lies outside of the recording, "
                f"which lasts {duration:.3f} s"
            )
        end = duration if segment.end == TO_THE_END else min(segment.end, duration)
        found[name] = Segment(segment.recording, segment.start, end)
    return found
