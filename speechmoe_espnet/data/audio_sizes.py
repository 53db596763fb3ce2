"""Sizes in the headers of uncompressed audio, against the samples that are there.

libsndfile reads what a file holds and says nothing where its header promises more, and believes a
header of 0 samples. Programs that write to a pipe cannot go back to fill in the sizes: they leave 0
or a number that stands for "unknown". Such a file is whole. A file whose header promises more than
there is was cut.

| container | sizes, where they stand |
|---|---|
| WAV (RIFF, RIFX), RF64, BW64 | 32 bits in the chunk `data`, or 64 bits in `ds64` |
| Wave64 | 64 bits with the header of the chunk |
| AIFF, AIFF-C | 32 bits in `SSND`, and frames in `COMM` |
| CAF | 64 bits in `data`; -1 is unknown |
| AU | 32 bits in its header; 0xFFFFFFFF is unknown |
| NIST | `sample_count` in its text |
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

CURE_OF_CUT_FILES = "get the whole file, or keep what there is by `ffmpeg -i in out.wav`"
# What ffmpeg, SoX, arecord and others write before they know: close to 2 GiB, or to 4 GiB.
_UNKNOWN_32 = ((0x7EFFFF00, 0x7F000100), (0x7FFF0000, 0x80000000), (0xFFFF0000, 0xFFFFFFFF))
_UNKNOWN_64 = ((1 << 62, (1 << 64) - 1), *_UNKNOWN_32)
_LIMIT_32 = 0xFFFFFFFF
_W64_HEADER = 24
_NIST = re.compile(rb"^(\w+) -i (\d+)\s*$", re.MULTILINE)
_NIST_CODING = re.compile(rb"^sample_coding -s\d+ (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Correction:
    """A number in a header that was written before the samples were.

    Attributes:
        position: Its first byte in the file.
        format: Its type, as in `struct`.
        value: The right number.
    """

    position: int
    format: str
    value: int


@dataclass(frozen=True)
class _Data:
    """Where samples lie, and what the header says of them.

    Attributes:
        offset: First byte of the samples.
        promised: Number of their bytes in the header.
        size: Number of bytes of the file.
        sizes: Every size field: position, type, distance from the true number of bytes, and bytes
            of the unit that it counts.
        unknown: Ranges of numbers that stand for an unknown size.
        chunks_follow: Whether all bytes after samples of size 0 are chunks: then there are none.
    """

    offset: int
    promised: int
    size: int
    sizes: tuple[tuple[int, str, int, int], ...] = ()
    unknown: tuple[tuple[int, int], ...] = _UNKNOWN_32
    chunks_follow: bool = False

    @property
    def available(self) -> int:
        return max(0, self.size - self.offset)


def corrections(path: str | Path) -> tuple[Correction, ...]:
    """Compare the sizes in a header with the file.

    Args:
        path: Any file.

    Returns:
        What to change in the header of a file that was written to a pipe, before it is read;
        nothing where the header is right, or where the file is of another format.

    Raises:
        OSError: The file cannot be read.
        ValueError: The header promises more samples than there are.
    """
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        try:
            data = _find(file, size)
        except (struct.error, ValueError):  # cut within the header: libsndfile says what it misses
            return ()
    if data is None or data.offset > size:
        return ()
    if data.promised == 0:
        if data.available == 0 or data.chunks_follow:
            return ()
    elif data.promised <= data.available or data.promised in (size, size - 8):
        # Some recorders write the size of the file, or of all that follows it, as that of the data.
        return ()
    elif not any(first <= data.promised <= last for first, last in data.unknown):
        raise ValueError(
            f"is cut: its header promises {data.promised} bytes of samples, {data.available} are "
            f"there; {CURE_OF_CUT_FILES}"
        )
    found = []
    for position, kind, distance, unit in data.sizes:
        value = data.available // unit + distance
        if struct.calcsize(kind) == 4 and value > _LIMIT_32:
            raise ValueError(
                f"has {data.available} bytes of samples, more than its header can say; convert "
                f"it, e.g. by `sox --ignore-length in.wav out.w64`"
            )
        found.append(Correction(position, kind, value))
    return tuple(found)


def _find(file: BinaryIO, size: int) -> _Data | None:
    magic = file.read(12)
    if magic[:4] in (b"RIFF", b"RF64", b"BW64") and magic[8:] == b"WAVE":
        return _riff(file, size, "<")
    if magic[:4] == b"RIFX" and magic[8:] == b"WAVE":
        return _riff(file, size, ">")
    if magic[:4] == b"FORM" and magic[8:] in (b"AIFF", b"AIFC"):
        return _aiff(file, size)
    if magic[:4] == b"riff":
        return _wave64(file, size)
    if magic[:4] == b"caff":
        return _caf(file, size)
    if magic[:4] in (b".snd", b"dns."):
        return _au(file, size, ">" if magic[:1] == b"." else "<")
    if magic.startswith(b"NIST_1A"):
        return _nist(file, size)
    return None


def _chunks(file: BinaryIO, size: int, order: str, begin: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, first byte of the content and length; some writers leave out the odd byte."""
    while begin + 8 <= size:
        file.seek(begin)
        name, length = struct.unpack(f"{order}4sI", file.read(8))
        if not _is_name(name):
            return
        yield name, begin + 8, length
        begin += 8 + length
        if length % 2:
            file.seek(begin)
            ahead = file.read(5)
            begin += not (_is_name(ahead[:4]) and not _is_name(ahead[1:5]))


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and all(32 <= byte < 127 for byte in name) and name[:1] != b" "


def _are_chunks(file: BinaryIO, size: int, order: str, begin: int) -> bool:
    end = begin
    for _, content, length in _chunks(file, size, order, begin):
        end = content + length
    return begin < size and size - 1 <= end <= size


def _riff(file: BinaryIO, size: int, order: str) -> _Data | None:
    long_size = None
    for name, content, length in _chunks(file, size, order, 12):
        if name == b"ds64":
            file.seek(content)
            _, long_size = struct.unpack("<QQ", file.read(16))
            long_at = content
        if name != b"data":
            continue
        if long_size is not None and length == _LIMIT_32:
            fields = ((long_at + 8, "<Q", 0, 1), (long_at, "<Q", content - 8, 1))
            return _Data(content, long_size, size, fields, _UNKNOWN_64)
        fields = ((content - 4, f"{order}I", 0, 1), (4, f"{order}I", content - 8, 1))
        follow = length == 0 and _are_chunks(file, size, order, content)
        return _Data(content, length, size, fields, chunks_follow=follow)
    return None


def _aiff(file: BinaryIO, size: int) -> _Data | None:
    frames: tuple[tuple[int, str, int, int], ...] = ()
    for name, content, length in _chunks(file, size, ">", 12):
        if name == b"COMM":
            file.seek(content)
            channels, _, bits = struct.unpack(">HIH", file.read(8))
            frames = ((content + 2, ">I", 0, max(1, channels * -(-bits // 8))),)
        if name == b"SSND":
            file.seek(content)
            (skipped,) = struct.unpack(">I", file.read(4))
            offset = content + 8 + skipped
            fields = ((content - 4, ">I", 8 + skipped, 1), (4, ">I", offset - 8, 1), *frames)
            follow = length <= 8 and _are_chunks(file, size, ">", content + 8)
            return _Data(offset, max(0, length - 8 - skipped), size, fields, chunks_follow=follow)
    return None


def _wave64(file: BinaryIO, size: int) -> _Data | None:
    begin = 40
    while begin + _W64_HEADER <= size:
        file.seek(begin)
        name, length = struct.unpack("<4s12xQ", file.read(_W64_HEADER))
        if name == b"data":
            content = begin + _W64_HEADER
            fields = ((begin + 16, "<Q", _W64_HEADER, 1), (16, "<Q", content, 1))
            promised = max(0, length - _W64_HEADER)
            return _Data(content, promised, size, fields, _UNKNOWN_64)
        begin += max(_W64_HEADER, -(-length // 8) * 8)
    return None


def _caf(file: BinaryIO, size: int) -> _Data | None:
    begin = 8
    while begin + 12 <= size:
        file.seek(begin)
        name, length = struct.unpack(">4sQ", file.read(12))
        if name == b"data":
            content = begin + 16
            promised = max(0, length - 4)
            return _Data(content, promised, size, ((begin + 4, ">Q", 4, 1),), _UNKNOWN_64)
        begin += 12 + length
    return None


def _au(file: BinaryIO, size: int, order: str) -> _Data:
    file.seek(4)
    offset, promised = struct.unpack(f"{order}II", file.read(8))
    return _Data(offset, promised, size, ((8, f"{order}I", 0, 1),))


def _nist(file: BinaryIO, size: int) -> _Data | None:
    file.seek(8)
    offset = int(file.read(8))
    file.seek(0)
    text = file.read(offset)
    coding = _NIST_CODING.search(text)
    numbers = {name: int(value) for name, value in _NIST.findall(text)}
    name = coding[1] if coding is not None else b"pcm"
    if b"embedded" in name or b"sample_count" not in numbers:
        return None
    sample = 1 if name in (b"ulaw", b"alaw") else numbers.get(b"sample_n_bytes", 2)
    width = numbers.get(b"channel_count", 1) * sample
    return _Data(offset, numbers[b"sample_count"] * width, size)
