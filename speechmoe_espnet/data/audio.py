"""Reader of audio files: a segment or the whole file, one channel, or a clear error.

Files are read to the end of their data, whatever the header says; then both are compared:

| file | outcome |
|---|---|
| the header tells the truth | read |
| the header knows no length, as of a file that was written to a pipe | read whole |
| the header promises more than there is, a page or a frame is cut | error |
| libsndfile does not know the format | read by PyAV (`containers`), or an error |
"""

import mmap
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from speechmoe_espnet.data.audio_sizes import CURE_OF_CUT_FILES, corrections
from speechmoe_espnet.data.audio_streams import check_last_page, check_log, mp3_length_is_known
from speechmoe_espnet.data.kaldi_dir import TO_THE_END
from speechmoe_espnet.data.samples import Samples, as_float, one_channel

MAX_OVERSHOOT = 0.5
# Formats that libsndfile reads into 16-bit samples without loss.
INT16_FORMATS = frozenset({"WAV", "WAVEX", "RF64", "W64", "FLAC", "AIFF", "AU", "NIST"})
_UNKNOWN = 1 << 62
_BLOCK = 1 << 22
"""Samples that are read at a time: a damaged header may promise more than memory holds."""


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
    with _opened(path) as file:
        if file is None:
            samples, rate = _whole(path)
            first, last = _sample_range(len(samples), rate, start, end)
            samples = samples[first:last]
        else:
            samples, rate = _part(file, start, end)
    if samples.dtype != np.int16 and not np.isfinite(samples).all():
        raise ValueError("has samples that are not finite")
    return samples, rate


def audio_info(path: str | Path) -> AudioInfo:
    """Return length, rate and channels of a file.

    Raises:
        OSError: The file cannot be opened.
        ValueError: The file cannot be read as audio, or is cut as far as its header tells.
    """
    path = Path(path)
    with _opened(path) as file:
        if file is not None:
            return AudioInfo(file.frames, file.samplerate, file.channels)
        samples, rate = _whole(path)
        return AudioInfo(len(samples), rate, samples.shape[1])


@contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile | None]:
    """Open a file by libsndfile; None where it has to be read whole to know its length."""
    if path.suffix.lower() == ".raw":
        raise ValueError(
            "is named like audio without a header, which states no sample rate or encoding; "
            "convert it, e.g. `sox -r 16000 -e signed -b 16 -c 1 in.raw out.wav`"
        )
    if path.stat().st_size == 0:
        raise ValueError("cannot be read as audio: it has 0 bytes")
    with ExitStack() as stack:
        found = None
        try:
            file = stack.enter_context(_corrected(path))
            found = file if _length_is_known(path, file) else None
        except soundfile.LibsndfileError:
            pass  # perhaps PyAV knows the format
        try:
            yield found
        except soundfile.LibsndfileError as error:
            raise ValueError(f"cannot be read as audio: {error.error_string}") from None


class _Content(mmap.mmap):
    """A file in memory, in which libsndfile may seek beyond the end, as in a file on disk."""

    def seek(self, position: int, whence: int = 0) -> None:
        origin = (0, self.tell(), len(self))[whence]
        super().seek(min(max(0, origin + position), len(self)))


@contextmanager
def _corrected(path: Path) -> Iterator[soundfile.SoundFile]:
    """Open a file by libsndfile, with the sizes in its header put right in memory."""
    fixes = corrections(path)
    if not fixes:
        with soundfile.SoundFile(path) as file:
            yield file
        return
    with path.open("rb") as raw, _Content(raw.fileno(), 0, access=mmap.ACCESS_COPY) as content:
        for fix in fixes:
            struct.pack_into(fix.format, content, fix.position, fix.value)
        with soundfile.SoundFile(content) as file:
            yield file


def _length_is_known(path: Path, file: soundfile.SoundFile) -> bool:
    if file.format == "MP3":
        return mp3_length_is_known(path)
    if file.format == "OGG":
        check_last_page(path)
    check_log(file.format, file.extra_info, file.frames)
    return file.frames < _UNKNOWN


def _part(file: soundfile.SoundFile, start: float, end: float) -> tuple[Samples, int]:
    rate = file.samplerate
    first, last = _sample_range(file.frames, rate, start, end)
    run_up = min(first, rate) if file.format == "MP3" else 0
    if first > run_up:
        file.seek(first - run_up)
    samples = _read(file, last - first + run_up)[run_up:]
    if len(samples) < last - first:
        raise ValueError(
            f"is cut: it ends after {first + len(samples)} samples, its header promises "
            f"{file.frames}; {CURE_OF_CUT_FILES}"
        )
    return samples, rate


def _read(file: soundfile.SoundFile, count: int) -> Samples:
    """Read up to count samples of every channel, (num_samples, channels)."""
    exact = file.subtype == "PCM_16" and file.format in INT16_FORMATS
    blocks = []
    while count > 0:
        size = min(count, _BLOCK)
        blocks.append(file.read(size, dtype="int16" if exact else "float32", always_2d=True))
        if len(blocks[-1]) < size:
            break
        count -= size
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def _whole(path: Path) -> tuple[Samples, int]:
    state = path.stat()
    return _read_whole(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1)  # segments of a recording come one after the other
def _read_whole(path: Path, *_state: int) -> tuple[Samples, int]:
    """Read a file to the end of its data, (num_samples, channels), whatever its header says."""
    from speechmoe_espnet.data.containers import decode

    complaint = ""
    try:
        with _corrected(path) as file:
            if file.format != "MP3":
                return _read(file, _UNKNOWN), file.samplerate
    except soundfile.LibsndfileError as error:
        # Of an MP3 file that is all too short it says that there is none.
        complaint = "" if "does not exist" in error.error_string else error.error_string
    return decode(path, complaint)


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
