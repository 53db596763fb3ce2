"""Lengths that libsndfile keeps to itself or guesses: of MP3, Ogg and rare formats."""

import re
from pathlib import Path

from speechmoe_espnet.data.audio_sizes import CURE_OF_CUT_FILES

_MAX_TAGS = 4096
"""Bytes of tags behind the frames of an MP3 file, beyond which another stream may follow."""
_MAX_PAGE = 65307
_OGG_HEADER = 27
# Of layers II and III of MPEG 1, and of MPEG 2 and 2.5 (0); their sample rates are a half and a
# quarter.
_KILOBITS = {
    2: (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    3: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    0: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_HERTZ = (44100, 48000, 32000)
# In libsndfile's log of a file: that it is cut, or the number of samples in its header.
_CUT = re.compile(r"should be|truncated")
_NUM_SAMPLES = {
    "AVR": re.compile(r"Frames +: (\d+)"),
    "MPC2K": re.compile(r"Frames +: (\d+)"),
    "MAT5": re.compile(r"Cols : (\d+)(?!.*Cols)", re.DOTALL),
}
_ONLY_LOGGED = frozenset({"MAT4", "SVX", "VOC", "WVE"})


def mp3_length_is_known(path: Path) -> bool:
    """Tell whether the first frame of an MP3 file gives the length of the whole.

    Without it (a file written to a pipe), libsndfile guesses the length from the first frame's bit
    rate. With it, and more data behind what it counts, files were put one after the other.

    Raises:
        ValueError: It counts more bytes than the file has.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        begin = _id3_size(file.read(10))
        file.seek(begin)
        frame = file.read(400)
    for name in (b"Xing", b"Info"):
        at = frame.find(name)
        if at < 0:
            continue
        flags, _, num_bytes = (
            int.from_bytes(frame[at + offset : at + offset + 4], "big") for offset in (4, 8, 12)
        )
        if flags & 2 and num_bytes > size:
            raise ValueError(
                f"is cut: its first frame counts {num_bytes} bytes, the file has {size}; "
                f"{CURE_OF_CUT_FILES}"
            )
        if flags & 3 == 3:
            return size <= begin + num_bytes + _MAX_TAGS
        return bool(flags & 1)
    return False


def mpeg_frame_size(frame: bytes) -> int:
    """Return the bytes that a frame of MPEG audio has by its first four; 0 if they say none."""
    if len(frame) < 4 or frame[0] != 0xFF or frame[1] >> 5 != 7:
        return 0
    version, layer = frame[1] >> 3 & 3, 4 - (frame[1] >> 1 & 3)
    rate, bit_rate = frame[2] >> 2 & 3, frame[2] >> 4
    if version == 1 or layer not in (2, 3) or rate == 3 or bit_rate in (0, 15):
        return 0
    kilobits = _KILOBITS[layer if version == 3 else 0][bit_rate - 1]
    hertz = _HERTZ[rate] >> {3: 0, 2: 1, 0: 2}[version]
    factor = 72000 if version != 3 and layer == 3 else 144000
    return factor * kilobits // hertz + (frame[2] >> 1 & 1)


def _id3_size(head: bytes) -> int:
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 127
    return 10 + size


def check_last_page(path: Path) -> None:
    """Check that an Ogg file ends with a whole page.

    A recording that was stopped may lack the page that is marked as the last; it is whole by its
    data.

    Raises:
        ValueError: Its last page is cut.
    """
    size = path.stat().st_size
    begin = max(0, size - _MAX_PAGE - _OGG_HEADER)
    with path.open("rb") as file:
        file.seek(begin)
        content = file.read()
    at = content.rfind(b"OggS\0")
    if at < 0:
        return
    segments = content[at + _OGG_HEADER - 1 : at + _OGG_HEADER]
    count = segments[0] if segments else 256
    lengths = content[at + _OGG_HEADER : at + _OGG_HEADER + count]
    if len(lengths) < count or at + _OGG_HEADER + count + sum(lengths) > len(content):
        raise ValueError(f"is cut: its last page is not whole; {CURE_OF_CUT_FILES}")


def check_log(kind: str, log: str, num_samples: int) -> None:
    """Check a file of a rare format by what libsndfile notes while it opens it.

    Args:
        kind: Format, as `soundfile.SoundFile.format`.
        log: `extra_info` of the file.
        num_samples: Samples that libsndfile will read.

    Raises:
        ValueError: The file is cut.
    """
    promised = _NUM_SAMPLES[kind].search(log) if kind in _NUM_SAMPLES else None
    is_short = promised is not None and int(promised[1]) > num_samples
    if is_short or (kind in _ONLY_LOGGED and _CUT.search(log)):
        raise ValueError(f"is cut: its header promises more samples; {CURE_OF_CUT_FILES}")
