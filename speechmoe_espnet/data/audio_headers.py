"""Where samples lie in files of uncompressed audio, and what their headers say of them.

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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

# What ffmpeg, SoX, arecord and others write before they know: close to 2 GiB, or to 4 GiB.
_UNKNOWN_32 = ((0x7EFFFF00, 0x7F000100), (0x7FFF0000, 0x80000000), (0xFFFF0000, 0xFFFFFFFF))
_UNKNOWN_64 = ((1 << 62, (1 << 64) - 1), *_UNKNOWN_32)
LIMIT_32 = 0xFFFFFFFF
_W64_HEADER = 24
_NIST = re.compile(rb"^(\w+) -i (\d+)\s*$", re.MULTILINE)
_NIST_CODING = re.compile(rb"^sample_coding -s\d+ (\S+)", re.MULTILINE)

type Chunks = Iterator[tuple[bytes, int]]
"""Names of chunks, and the byte behind each, padding not counted."""


@dataclass(frozen=True)
class SampleHeader:
    """Where samples lie, and what the header says of them.

    Attributes:
        offset: First byte of the samples.
        promised: Number of their bytes in the header.
        size: Number of bytes of the file.
        sizes: Every size field: position, type, distance from the true number of bytes, and bytes
            of the unit that it counts.
        unknown: Ranges of numbers that stand for an unknown size.
        chunks_follow: Whether all bytes after samples of size 0 are chunks: then there are none.
        end: Where the file ends by its header; None where that says nothing.
        chunks: Reads the chunks from a byte on: their names, and the byte behind each.
    """

    offset: int
    promised: int
    size: int
    sizes: tuple[tuple[int, str, int, int], ...] = ()
    unknown: tuple[tuple[int, int], ...] = _UNKNOWN_32
    chunks_follow: bool = False
    end: int | None = None
    chunks: Callable[[int], Chunks] | None = None

    @property
    def available(self) -> int:
        """Number of bytes from the first sample to the end of the file."""
        return max(0, self.size - self.offset)


def find_samples(file: BinaryIO, size: int) -> SampleHeader | None:
    """Read the header of a file of the given size; None where it is of another format.

    Raises:
        struct.error, ValueError: The file ends within its header.
    """
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
    """Yield name, first byte of the content and length of chunks of RIFF and its like."""
    while begin + 8 <= size:
        file.seek(begin)
        name, length = struct.unpack(f"{order}4sI", file.read(8))
        if not _is_name(name):
            return
        yield name, begin + 8, length
        begin = _padded(file, begin + 8 + length, length)


def _padded(file: BinaryIO, end: int, length: int) -> int:
    """Return where the next chunk begins; some writers leave out the odd byte."""
    if length % 2:
        file.seek(end)
        ahead = file.read(5)
        end += not (_is_name(ahead[:4]) and not _is_name(ahead[1:5]))
    return end


def _chunks_behind(file: BinaryIO, size: int, order: str, length: int) -> Callable[[int], Chunks]:
    def read(end: int) -> Chunks:
        begin = _padded(file, end, length)
        return ((name, at + length) for name, at, length in _chunks(file, size, order, begin))

    return read


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and all(32 <= byte < 127 for byte in name) and name[:1] != b" "


def _are_chunks(file: BinaryIO, size: int, order: str, begin: int) -> bool:
    end = begin
    for _, content, length in _chunks(file, size, order, begin):
        end = content + length
    return begin < size and size - 1 <= end <= size


def _riff(file: BinaryIO, size: int, order: str) -> SampleHeader | None:
    file.seek(4)
    end = 8 + struct.unpack(f"{order}I", file.read(4))[0]
    long_size = None
    for name, content, length in _chunks(file, size, order, 12):
        if name == b"ds64":
            file.seek(content)
            long_end, long_size = struct.unpack("<QQ", file.read(16))
            long_at = content
        if name != b"data":
            continue
        if long_size is not None and length == LIMIT_32:
            fields = ((long_at + 8, "<Q", 0, 1), (long_at, "<Q", content - 8, 1))
            behind = _chunks_behind(file, size, order, long_size)
            return SampleHeader(
                *(content, long_size, size, fields, _UNKNOWN_64), end=8 + long_end, chunks=behind
            )
        fields = ((content - 4, f"{order}I", 0, 1), (4, f"{order}I", content - 8, 1))
        behind = _chunks_behind(file, size, order, length)
        follow = length == 0 and _are_chunks(file, size, order, content)
        return SampleHeader(
            content, length, size, fields, chunks_follow=follow, end=end, chunks=behind
        )
    return None


def _aiff(file: BinaryIO, size: int) -> SampleHeader | None:
    frames: tuple[tuple[int, str, int, int], ...] = ()
    file.seek(4)
    end = 8 + struct.unpack(">I", file.read(4))[0]
    for name, content, length in _chunks(file, size, ">", 12):
        if name == b"COMM":
            file.seek(content)
            channels, _, bits = struct.unpack(">HIH", file.read(8))
            frames = ((content + 2, ">I", 0, max(1, channels * -(-bits // 8))),)
        if name == b"SSND":
            file.seek(content)
            (skipped,) = struct.unpack(">I", file.read(4))
            offset = content + 8 + skipped
            promised = max(0, length - 8 - skipped)
            fields = ((content - 4, ">I", 8 + skipped, 1), (4, ">I", offset - 8, 1), *frames)
            follow = length <= 8 and _are_chunks(file, size, ">", content + 8)
            behind = _chunks_behind(file, size, ">", length)
            return SampleHeader(
                offset, promised, size, fields, chunks_follow=follow, end=end, chunks=behind
            )
    return None


def _wave64(file: BinaryIO, size: int) -> SampleHeader | None:
    def chunks(begin: int) -> Iterator[tuple[bytes, int, int]]:
        while begin + _W64_HEADER <= size:
            file.seek(begin)
            name, length = struct.unpack("<4s12xQ", file.read(_W64_HEADER))
            if not _is_name(name):
                return
            yield name, begin, length
            begin += max(_W64_HEADER, -(-length // 8) * 8)

    def behind(end: int) -> Chunks:
        return ((name, at + length) for name, at, length in chunks(-(-end // 8) * 8))

    file.seek(16)
    (end,) = struct.unpack("<Q", file.read(8))
    for name, begin, length in chunks(40):
        if name == b"data":
            content = begin + _W64_HEADER
            fields = ((begin + 16, "<Q", _W64_HEADER, 1), (16, "<Q", content, 1))
            promised = max(0, length - _W64_HEADER)
            return SampleHeader(
                content, promised, size, fields, _UNKNOWN_64, end=end, chunks=behind
            )
    return None


def _caf(file: BinaryIO, size: int) -> SampleHeader | None:
    def chunks(begin: int) -> Iterator[tuple[bytes, int, int]]:
        while begin + 12 <= size:
            file.seek(begin)
            name, length = struct.unpack(">4sQ", file.read(12))
            if not _is_name(name):
                return
            yield name, begin, length
            begin += 12 + length

    def behind(end: int) -> Chunks:
        return ((name, at + 12 + length) for name, at, length in chunks(end))

    for name, begin, length in chunks(8):
        if name == b"data":
            promised, field = max(0, length - 4), (begin + 4, ">Q", 4, 1)
            return SampleHeader(begin + 16, promised, size, (field,), _UNKNOWN_64, chunks=behind)
    return None


def _au(file: BinaryIO, size: int, order: str) -> SampleHeader:
    file.seek(4)
    offset, promised = struct.unpack(f"{order}II", file.read(8))
    return SampleHeader(offset, promised, size, ((8, f"{order}I", 0, 1),))


def _nist(file: BinaryIO, size: int) -> SampleHeader | None:
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
    return SampleHeader(offset, numbers[b"sample_count"] * width, size)
