"""Sizes in the headers of uncompressed audio, against the samples that are there.

libsndfile reads what a file holds and says nothing where its header promises more, and believes a
header of 0 samples. Programs that write to a pipe cannot go back to fill in the sizes: they leave 0
or a number that stands for "unknown". Such a file is whole. A file whose header promises more than
there is was cut.
A file whose header promises less than there is holds more than its header knows: the header was
written before the end, its number went beyond 4 GiB, or files were put one after the other. What
may lie behind samples is metadata, padding and a few bytes of junk.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from speechmoe_espnet.data.audio_headers import LIMIT_32, SampleHeader, find_samples

CURE_OF_CUT_FILES = "get the whole file, or keep what there is by `ffmpeg -i in out.wav`"
_CONTAINERS = frozenset({b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"riff", b"caff"})
_SAMPLES = (b"data", b"SSND")
# Metadata may be cut, or may be followed by junk: the samples before it are whole.
_METADATA = frozenset(
    (
        *(b"LIST", b"INFO", b"id3 ", b"ID3 ", b"bext", b"fact", b"JUNK", b"junk", b"PAD ", b"FLLR"),
        *(b"cue ", b"smpl", b"inst", b"iXML", b"_PMX", b"afsp", b"PEAK", b"plst", b"acid", b"axml"),
        *(b"chna", b"cart", b"minf", b"elm1", b"regn", b"umid", b"DGDA", b"SNDM", b"levl", b"link"),
        *(b"COMT", b"MARK", b"INST", b"NAME", b"AUTH", b"ANNO", b"APPL", b"(c) ", b"MIDI", b"AESD"),
        *(b"free", b"info", b"strg", b"mark", b"uuid", b"edct", b"peak", b"ovvw", b"list"),
    )
)
TAGS = (b"ID3", b"TAG", b"APETAGEX")
"""Beginnings of tags that players write before and behind any audio."""
_MAX_JUNK = 512
_MAX_PADDING = 1 << 20
"""Bytes behind samples that are ignored if they are no chunks: of any value, and zeros."""
_SHORTEST_CHUNK = 8


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


def corrections(path: str | Path) -> tuple[Correction, ...]:
    """Compare the sizes in a header with the file.

    Args:
        path: Any file.

    Returns:
        What to change in the header of a file that was written to a pipe, before it is read;
        nothing where the header is right, or where the file is of another format.

    Raises:
        OSError: The file cannot be read.
        ValueError: The header promises more samples than there are, or less.
    """
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        try:
            data = find_samples(file, size)
        except (struct.error, ValueError):  # cut within the header: libsndfile says what it misses
            return ()
        if data is None or data.offset > size:
            return ()
        if 0 < data.promised < data.available:
            _check_rest(file, data)
    if data.promised == 0:
        if data.available == 0 or data.chunks_follow:
            return ()
    elif data.promised <= data.available or _is_size_of_file(data):
        return ()
    elif not any(first <= data.promised <= last for first, last in data.unknown):
        raise ValueError(
            f"is cut: its header promises {data.promised} bytes of samples, {data.available} are "
            f"there; {CURE_OF_CUT_FILES}"
        )
    found = []
    for position, kind, distance, unit in data.sizes:
        value = data.available // unit + distance
        if struct.calcsize(kind) == 4 and value > LIMIT_32:
            raise ValueError(
                f"has {data.available} bytes of samples, more than its header can say; convert "
                f"it, e.g. by `sox --ignore-length in.wav out.w64`"
            )
        found.append(Correction(position, kind, value))
    return tuple(found)


def _is_size_of_file(data: SampleHeader) -> bool:
    """Tell whether a recorder wrote the size of the whole file as that of the samples.

    Some write the size of the file, or of all that follows it. A file that was cut by as much as
    its header takes looks alike, but it ends before its container does.
    """
    return data.promised in (data.size, data.size - 8) and _agrees(data.end, data.size)


def _agrees(end: int | None, size: int) -> bool:
    return end is not None and end - 1 <= size <= end + 1


def _check_rest(file: BinaryIO, data: SampleHeader) -> None:
    """Check that no samples lie behind those that the header promises.

    Raises:
        ValueError: Bytes that are neither metadata nor padding follow, another file does, or a
            second chunk of samples.
    """
    begin = data.offset + data.promised
    left = data.size - begin
    if left < _SHORTEST_CHUNK:
        return
    chunks = [] if data.chunks is None else list(data.chunks(begin))
    names = [name for name, _ in chunks]
    if not _CONTAINERS.isdisjoint(names):
        raise ValueError(
            f"holds several files one after the other, the second from byte {begin} on; join what "
            f"they hold, e.g. by `sox a.wav b.wav out.wav`"
        )
    if any(name in _SAMPLES for name in names):
        raise ValueError(
            f"holds a second chunk of samples behind byte {begin}; join them by the program that "
            f"wrote the file"
        )
    is_metadata = bool(names) and (names[0] in _METADATA or _agrees(chunks[-1][1], data.size))
    if is_metadata or _is_padding(file, data, begin, left):
        return
    raise ValueError(
        f"holds more than its header says: {data.promised} bytes of samples are promised, {left} "
        f"bytes follow that are no metadata; if they are samples, `sox --ignore-length in.wav "
        f"out.wav` reads them; if not, `ffmpeg -i in out.wav` leaves them out"
    )


def _is_padding(file: BinaryIO, data: SampleHeader, begin: int, left: int) -> bool:
    file.seek(begin)
    content = file.read(_MAX_PADDING)
    if content.startswith(TAGS):
        return True
    if _agrees(data.end, data.size):
        return False
    is_zero = _agrees(data.end, begin) and left <= _MAX_PADDING and not any(content)
    return is_zero or left <= _MAX_JUNK
