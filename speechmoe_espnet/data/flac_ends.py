"""A FLAC file against its header, which libsndfile believes: number of samples, and their digest.

Each frame states which samples it holds. The last frame therefore tells how many there are, and a
file is decoded for it only where that differs from the header.
"""

import hashlib
import mmap
from functools import lru_cache
from pathlib import Path

import soundfile

from speechmoe_espnet.data.audio_sizes import CURE_OF_CUT_FILES
from speechmoe_espnet.data.samples import Samples

_STREAM_INFO = b"fLaC\0\0\0\x22", b"fLaC\x80\0\0\x22"
_BEGIN = 42
_DIGEST = 26
"""Bytes of the mark and of STREAMINFO, and of these before the MD5."""
_MAX_TAGS = 4096
_MAX_FRAME = 1 << 17
_RATE_BYTES = {12: 1, 13: 2, 14: 2}
_BLOCK_BYTES = {6: 1, 7: 2}


def check_flac(path: Path, promised: int) -> None:
    """Check that a FLAC file holds as many samples as its header promises.

    Args:
        path: The file.
        promised: Samples of each channel by its header, known.

    Raises:
        OSError: The file cannot be read.
        ValueError: It holds less, more, or several files one after the other.
    """
    state = path.stat()
    _check(path, promised, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=64)  # segments of a recording come one after the other
def _check(path: Path, promised: int, *_state: int) -> None:
    if _find_last_sample(path) == promised:
        return
    # Imported here: few files need it.
    from speechmoe_espnet.data.containers import decoded_blocks

    count = sum(len(samples) for samples, _ in decoded_blocks(path))
    if count < promised:
        raise ValueError(
            f"is cut: its header promises {promised} samples, {count} are there; "
            f"{CURE_OF_CUT_FILES}"
        )
    if count > promised:
        raise ValueError(
            f"holds more than its header says: {promised} samples are promised, {count} are there; "
            f"`ffmpeg -i in.flac out.flac` writes a right header"
        )


class FlacDigest:
    """The MD5 of 16-bit samples, compared with that in the header of a FLAC file.

    It tells damage within frames, which libsndfile passes over. Of other files and of headers
    without it, nothing is computed.
    """

    def __init__(self, path: Path, file: soundfile.SoundFile) -> None:
        self._expected = b""
        if file.format == "FLAC" and file.subtype == "PCM_16":
            with path.open("rb") as raw:
                header = raw.read(_BEGIN)
            if header.startswith(_STREAM_INFO) and any(header[_DIGEST:]):
                self._expected = header[_DIGEST:]
        self._digest = hashlib.md5(usedforsecurity=False)

    def add(self, samples: Samples) -> None:
        """Add samples (num_samples, channels), in their order."""
        if self._expected:
            self._digest.update(samples.astype("<i2", copy=False).tobytes())

    def check(self) -> None:
        """Compare, after all samples.

        Raises:
            ValueError: They are not those that were encoded.
        """
        if self._expected and self._digest.digest() != self._expected:
            raise ValueError(
                "is damaged: its samples are not those that its header has the MD5 of; get the "
                "file again, or keep what there is by `ffmpeg -i in.flac out.wav`"
            )


def _find_last_sample(path: Path) -> int | None:
    """Return the number of samples up to the end of the last frame.

    Returns:
        Samples of each channel; None where the last frame is not found.

    Raises:
        ValueError: Another FLAC file follows in the same file.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return _last_sample(content)


def _last_sample(content: mmap.mmap) -> int | None:
    if not content[:8].startswith(_STREAM_INFO):
        return None
    if any(content.find(mark, _BEGIN) >= 0 for mark in _STREAM_INFO):
        raise ValueError(
            "holds several files one after the other; join what they hold, e.g. by `sox a.flac "
            "b.flac out.flac`"
        )
    block, longest = (
        int.from_bytes(content[first:last], "big") for first, last in ((10, 12), (15, 18))
    )
    begin = max(_BEGIN, len(content) - _MAX_TAGS - (longest or _MAX_FRAME))
    end = len(content)
    while (end := max(content.rfind(mark, begin, end) for mark in (b"\xff\xf8", b"\xff\xf9"))) >= 0:
        found = _end_of_frame(content[end : end + 16], block)
        if found is not None:
            return found
        end += 1
    return None


def _end_of_frame(head: bytes, block: int) -> int | None:
    """Return the number behind the last sample of a frame; None if this is no frame's header."""
    if len(head) < 16:
        head += bytes(16 - len(head))
    size, rate = head[2] >> 4, head[2] & 15
    if size == 0 or rate == 15 or head[3] >> 4 > 10 or head[3] >> 1 & 7 == 3 or head[3] & 1:
        return None
    number, at = _number(head)
    if at == 0:
        return None
    extra = _BLOCK_BYTES.get(size, 0)
    length = int.from_bytes(head[at : at + extra], "big") + 1 if extra else _block_size(size)
    at += extra + _RATE_BYTES.get(rate, 0)
    if _crc8(head[:at]) != head[at]:
        return None
    return number * (1 if head[1] & 1 else block) + length


def _block_size(code: int) -> int:
    return 192 if code == 1 else 576 << code - 2 if code < 6 else 256 << code - 8


def _number(head: bytes) -> tuple[int, int]:
    """Read a number that is written as UTF-8 writes a character, and where it ends; 0 if none."""
    first = head[4]
    count = 8 - (~first & 0xFF).bit_length() if first & 0x80 else 0
    if count == 1 or count > 7:
        return 0, 0
    number = first & (0x7F >> count) if count else first
    for byte in head[5 : 4 + max(1, count)]:
        if byte >> 6 != 2:
            return 0, 0
        number = number << 6 | byte & 0x3F
    return number, 4 + max(1, count)


def _crc8(content: bytes) -> int:
    value = 0
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ (7 if value & 0x80 else 0)) & 0xFF
    return value
