"""Reader of audio files: a segment or the whole file, one channel, or a clear error.

Files are read to the end of their data, whatever the header says; then both are compared:

| file | outcome |
|---|---|
| the header tells the truth | read |
| the header knows no length, as of a file that was written to a pipe | read whole |
| the header promises more than there is, a page or a frame is cut | error |
| libsndfile does not know the format | read by PyAV (`containers`), or an error |
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from speechmoe_espnet.data.audio_blocks import (
    check_finite,
    data_blocks,
    file_blocks,
    file_scale,
    has_floats,
    joined,
    opened,
)
from speechmoe_espnet.data.audio_sizes import CURE_OF_CUT_FILES
from speechmoe_espnet.data.flac_ends import FlacDigest
from speechmoe_espnet.data.kaldi_dir import TO_THE_END
from speechmoe_espnet.data.samples import FloatScale, Samples, as_float, one_channel

MAX_OVERSHOOT = 0.5


@dataclass(frozen=True)
class AudioInfo:
    """What a file is said to hold; only files whose header gives no length are read for it.

    Attributes:
        num_samples: Samples of each channel.
        rate: Sample rate in Hz.
        channels: Number of channels.
    """

    num_samples: int
    rate: int
    channels: int

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.num_samples / self.rate


def read_audio(
    path: str | Path,
    start: float = 0.0,
    end: float = TO_THE_END,
    channel: int | str | None = None,
) -> tuple[NDArray[np.float32], int]:
    """Read one utterance as float; of most formats only the needed part is read.

    An end up to 0.5 s past the end of the recording is cut, as in Kaldi's extract-segments; a
    later end is an error.

    Args:
        path: A file in any container that libsndfile or PyAV opens.
        start: Start of the segment in seconds.
        end: End of the segment in seconds, or -1 for the end of the file.
        channel: The channel to take, from 1, or "mean"; None: there must be only one.

    Returns:
        Samples (num_samples,) in [-1, 1), and the sample rate in Hz.

    Raises:
        OSError: The file cannot be opened.
        ValueError: The file cannot be read, is cut or protected, has no audio, no samples, no
            such channel or values that are not finite, or the segment lies outside of the file.
    """
    samples, rate = read_samples(path, start, end, channel)
    return as_float(samples), rate


def read_samples(
    path: str | Path,
    start: float = 0.0,
    end: float = TO_THE_END,
    channel: int | str | None = None,
) -> tuple[Samples, int]:
    """Read one utterance as `read_audio` does, but keep 16-bit samples as integers.

    A segment of an MP3 file is read from one second before its start: MP3 frames use bits of
    earlier frames, and after a seek the decoder returns silence until it has them.

    Returns:
        Samples (num_samples,), int16 where the file holds 16-bit integers and float32 in
        [-1, 1) otherwise, and the sample rate in Hz.

    Raises:
        OSError: As `read_audio`.
        ValueError: As `read_audio`.
    """
    samples, rate = read_channels(path, start, end)
    return one_channel(samples, channel), rate


def read_channels(
    path: str | Path, start: float = 0.0, end: float = TO_THE_END
) -> tuple[Samples, int]:
    """Read one utterance as `read_samples` does, with all channels.

    Returns:
        Samples (num_samples, channels), and the sample rate in Hz.

    Raises:
        OSError: As `read_audio`.
        ValueError: As `read_audio`.
    """
    path = Path(path)
    with opened(path) as file:
        if file is None:
            samples, rate = _whole(path)
            first, last = _sample_range(len(samples), rate, start, end)
            samples = samples[first:last]
        else:
            samples, rate = _part(path, file, start, end)
    check_finite(samples)
    return samples, rate


def audio_info(path: str | Path) -> AudioInfo:
    """Return length, rate and channels of a file.

    Raises:
        OSError: The file cannot be opened.
        ValueError: The file cannot be read as audio, or is cut as far as its header tells.
    """
    path = Path(path)
    with opened(path) as file:
        if file is not None:
            return AudioInfo(file.frames, file.samplerate, file.channels)
        samples, rate = _whole(path)
        return AudioInfo(len(samples), rate, samples.shape[1])


def _part(path: Path, file: soundfile.SoundFile, start: float, end: float) -> tuple[Samples, int]:
    rate = file.samplerate
    first, last = _sample_range(file.frames, rate, start, end)
    run_up = min(first, rate) if file.format == "MP3" else 0
    if first > run_up:
        file.seek(first - run_up)
    samples = joined([*file_blocks(file, last - first + run_up)])[run_up:]
    if len(samples) < last - first:
        raise ValueError(
            f"is cut: it ends after {first + len(samples)} samples, its header promises "
            f"{file.frames}; {CURE_OF_CUT_FILES}"
        )
    is_whole = len(samples) == file.frames
    if is_whole:
        digest = FlacDigest(path, file)
        digest.add(samples)
        digest.check()
    if has_floats(file):
        samples = (FloatScale.of([samples]) if is_whole else file_scale(path)).applied(samples)
    return samples, rate


def _whole(path: Path) -> tuple[Samples, int]:
    state = path.stat()
    return _read_whole(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1)  # segments of a recording come one after the other
def _read_whole(path: Path, *_state: int) -> tuple[Samples, int]:
    """Read a file to the end of its data, (num_samples, channels), whatever its header says."""
    blocks, rates = zip(*data_blocks(path), strict=True)
    return joined(blocks), rates[0]


def _sample_range(num_samples: int, rate: int, start: float, end: float) -> tuple[int, int]:
    if num_samples == 0:
        raise ValueError("is empty (no samples)")
    duration = num_samples / rate
    if start >= duration:
        raise ValueError(f"segment starts at {start} s, the recording lasts {duration:.3f} s")
    if end == TO_THE_END:
        end = duration
    if end > duration + MAX_OVERSHOOT:
        raise ValueError(
            f"segment ends at {end} s, the recording lasts {duration:.3f} s "
            f"(an end up to {MAX_OVERSHOOT} s late is cut)"
        )
    first = round(start * rate)
    last = min(round(end * rate), num_samples)
    if last <= first:
        raise ValueError(f"segment {start} {end} holds no samples at {rate} Hz")
    return first, last
