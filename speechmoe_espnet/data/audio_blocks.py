"""Blocks of audio files: opened by libsndfile with its header put right, else decoded by PyAV."""

import mmap
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from speechmoe_espnet.data.audio_sizes import CURE_OF_CUT_FILES, corrections
from speechmoe_espnet.data.audio_streams import check_last_page, check_log, mp3_length_is_known
from speechmoe_espnet.data.compressed_file import packed
from speechmoe_espnet.data.flac_ends import FlacDigest, check_flac
from speechmoe_espnet.data.placeholder import BYTE_ORDER_MARK, PLACEHOLDER_BYTES, placeholder
from speechmoe_espnet.data.samples import FloatScale, Samples, check_rate
from speechmoe_espnet.data.special_file import special_file

# Formats that libsndfile reads into 16-bit samples without loss.
INT16_FORMATS = frozenset({"WAV", "WAVEX", "RF64", "W64", "FLAC", "AIFF", "AU", "NIST"})
_UNKNOWN = 1 << 62
_NO_HEADER = (
    "cannot be read as audio: is named like audio without a header, which states no sample rate or "
    "encoding; convert it, e.g. `sox -r 16000 -e signed -b 16 -c 1 in.raw out.wav`"
)
_FLOATS = ("FLOAT", "DOUBLE")
# What libsndfile says of headers that cannot be.
_PLAINER = {
    "SF_INFO struct incomplete": "its header states a sample rate or a number of channels that "
    "cannot be; it is damaged: get the file again",
    "No 'data' chunk": "its chunk of samples is not found: it is cut within its header, or an odd "
    "chunk before it lacks its padding byte; get the file again, or convert it by the program that "
    "wrote it",
}
_EDITED = (
    "begins with a byte order mark: a program took it for text and may have changed more; get the "
    "file again"
)
_BLOCK = 1 << 22
"""Samples that are read at a time: a damaged header may promise more than memory holds."""


def audio_blocks(path: str | Path) -> Iterator[tuple[Samples, int]]:
    """Read a recording of any length in blocks, in bounded memory.

    A cut file is an error at its end, after the blocks that are there.

    Args:
        path: A file in any container that libsndfile or PyAV opens.

    Yields:
        Samples (num_samples, channels), int16 where the file holds these and float32 in [-1, 1)
        otherwise, and the sample rate in Hz, which is the same for all.

    Raises:
        OSError: The file cannot be opened.
        ValueError: It cannot be read, is cut or protected, has no audio, no samples, or values
            that are not finite.
    """
    is_empty = True
    for samples, rate in _any_blocks(Path(path)):
        is_empty = is_empty and not len(samples)
        check_finite(samples)
        yield samples, rate
    if is_empty:
        raise ValueError("is empty (no samples)")


def check_finite(samples: Samples) -> None:
    """Check that no sample is NaN or infinite.

    Raises:
        ValueError: One is.
    """
    if samples.dtype != np.int16 and not np.isfinite(samples).all():
        raise ValueError("has samples that are not finite")


def seconds_promised(path: str | Path) -> float:
    """Return the duration by the header, without reading the file; 0 if that cannot be told.

    It is for estimates: errors of the file are left to whoever reads it.
    """
    path = Path(path)
    try:
        with opened(path) as file:
            if file is not None:
                return float(file.frames / file.samplerate)
        from speechmoe_espnet.data.containers import seconds_guessed

        return seconds_guessed(path)
    except (OSError, ValueError):
        return 0.0


def _any_blocks(path: Path) -> Iterator[tuple[Samples, int]]:
    with opened(path) as file:
        if file is None:
            yield from data_blocks(path)
            return
        count = 0
        scale = file_scale(path) if has_floats(file) else None
        digest = FlacDigest(path, file)
        for samples in file_blocks(file, file.frames):
            count += len(samples)
            digest.add(samples)
            yield samples if scale is None else scale.applied(samples), file.samplerate
        if count < file.frames:
            raise ValueError(
                f"is cut: it ends after {count} samples, its header promises {file.frames}; "
                f"{CURE_OF_CUT_FILES}"
            )
        digest.check()


def data_blocks(path: Path) -> Iterator[tuple[Samples, int]]:
    """Read a file to the end of its data, whatever its header says.

    Yields:
        Samples (num_samples, channels) and the sample rate in Hz; at least one block.

    Raises:
        ValueError: Neither libsndfile nor PyAV reads it.
    """
    from speechmoe_espnet.data.containers import decoded_blocks

    complaint = ""
    has_begun = False
    try:
        with _corrected(path) as file:
            if file.format != "MP3":
                for samples in file_blocks(file, _UNKNOWN):
                    yield samples, file.samplerate
                    has_begun = True
                return
    except soundfile.LibsndfileError as error:
        if has_begun:
            raise
        # Of an MP3 file that is all too short it says that there is none.
        complaint = "" if "does not exist" in error.error_string else _plainer(error.error_string)
    yield from decoded_blocks(path, complaint)


def file_blocks(file: soundfile.SoundFile, count: int) -> Iterator[Samples]:
    """Read up to count samples of every channel.

    Yields:
        Blocks (num_samples, channels), at least one; the last may be empty.
    """
    exact = file.subtype == "PCM_16" and file.format in INT16_FORMATS
    left = count
    while left > 0 or left == count:
        size = min(left, max(1, _BLOCK // file.channels))
        samples = file.read(size, dtype="int16" if exact else "float32", always_2d=True)
        yield samples
        if len(samples) < size or not size:
            return
        left -= size


def joined(blocks: Sequence[Samples]) -> Samples:
    """Put blocks (num_samples, channels) one after the other."""
    samples: NDArray[Any] = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    return samples


@contextmanager
def opened(path: Path) -> Iterator[soundfile.SoundFile | None]:
    """Open a file by libsndfile; None where it has to be read whole to know its length."""
    if path.suffix.lower() == ".raw":
        raise ValueError(_NO_HEADER)
    if reason := special_file(path):
        raise ValueError(reason)
    if path.stat().st_size == 0:
        raise ValueError("cannot be read as audio: it has 0 bytes")
    with path.open("rb") as raw:
        begin = raw.read(PLACEHOLDER_BYTES)
    if reason := placeholder(begin):
        raise ValueError(f"is {reason}")
    if reason := packed(begin):
        raise ValueError(reason)
    if begin.startswith(BYTE_ORDER_MARK):
        raise ValueError(_EDITED)
    with ExitStack() as stack:
        found = None
        try:
            file = stack.enter_context(_corrected(path))
            if file.format == "RAW":
                # libsndfile takes any bytes for speech of 8000 Hz where the name ends in .au, .snd,
                # .vox or .gsm.
                raise ValueError(_NO_HEADER)
            check_rate(file.samplerate)
            found = file if _length_is_known(path, file) else None
        except soundfile.LibsndfileError:
            pass  # perhaps PyAV knows the format
        try:
            yield found
        except soundfile.LibsndfileError as error:
            raise ValueError(f"cannot be read as audio: {_plainer(error.error_string)}") from None


def _plainer(complaint: str) -> str:
    for said, plain in _PLAINER.items():
        if said in complaint:
            return plain
    return complaint


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
    if file.format == "FLAC" and file.frames < _UNKNOWN:
        check_flac(path, file.frames)
    check_log(file.format, file.extra_info, file.frames)
    return file.frames < _UNKNOWN


def has_floats(file: soundfile.SoundFile) -> bool:
    """Tell whether a file stores floats, which may have any range."""
    return file.subtype in _FLOATS


def file_scale(path: Path) -> FloatScale:
    """Return the scale of a file of floats, by all of its samples: parts must not differ.

    Raises:
        ValueError: Its samples have no plain scale.
    """
    state = path.stat()
    return _file_scale(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=64)
def _file_scale(path: Path, *_state: int) -> FloatScale:
    with _corrected(path) as file:
        return FloatScale.of(file_blocks(file, file.frames))
