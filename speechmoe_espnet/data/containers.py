"""Decoder of the containers that PyAV (FFmpeg) opens: MP4, WebM, MP3 without a length and more."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.data.audio_sizes import CURE_OF_CUT_FILES, TAGS
from speechmoe_espnet.data.audio_streams import mpeg_frame_size
from speechmoe_espnet.data.samples import LOUD, Samples, check_rate

# Playlists, lists of files and devices are left out: a file read as audio opens nothing else.
FORMATS = (
    *("aac", "ac3", "aiff", "amr", "ape", "asf", "au", "avi", "caf", "dts", "eac3", "flac", "flv"),
    *("gsm", "matroska", "webm", "mov", "mp4", "mp3", "mpeg", "mpegts", "ogg", "rm", "tak", "tta"),
    *("w64", "wav", "wv", "xwma", "voc", "amrnb", "amrwb"),
)
_PROTECTED = ("drms", "enca")
_TAGS = (*TAGS, b"LYRICS")
_MAX_LACK = 0.1
"""Seconds by which audio may be shorter than its container says: encoders add silence."""


def decoded_blocks(path: Path, complaint: str = "") -> Iterator[tuple[Samples, int]]:
    """Decode the first audio stream of a file to its end, one block after the other.

    Args:
        path: The file.
        complaint: What another reader said of it, for the error if PyAV cannot read it either.

    Yields:
        Samples (num_samples, channels), int16 where the codec yields these and float32 in [-1, 1]
        otherwise, and the sample rate in Hz; at least one block.

    Raises:
        OSError: The file cannot be opened.
        ValueError: The file is of no known format, has no audio stream, is protected, cut or
            damaged, or changes its rate or channels on the way; of an error at its end after the
            blocks.
    """
    from av import FFmpegError

    count, rate, promised = 0, 0, 0.0
    with path.open("rb") as raw:
        try:
            with _container(raw) as container:
                stream = _audio_stream(container)
                for samples, rate in _decoded(container, stream):
                    count += len(samples)
                    yield samples, rate
                promised = _promised(container, stream)
        except FFmpegError as error:
            said = complaint or error.strerror or str(error)
            raw.seek(0)
            if raw.read(8)[4:] == b"ftyp":
                said = "an MP4 file that is cut, damaged or protected"
            raise ValueError(f"cannot be read as audio: {said}") from None
    if not count:
        raise ValueError("is empty (no samples)")
    if count / rate < promised - _MAX_LACK:
        raise ValueError(
            f"is cut: its header promises {promised:.2f} s, {count / rate:.2f} s are there; "
            f"{CURE_OF_CUT_FILES}"
        )


def seconds_guessed(path: Path) -> float:
    """Return the duration that FFmpeg reads in the header or guesses; 0 without a guess."""
    from av import FFmpegError

    try:
        with path.open("rb") as raw, _container(raw) as container:
            return float(container.duration or 0) / 1e6
    except FFmpegError:
        return 0.0


def _container(raw: BinaryIO) -> Any:
    from av import open as open_container

    return open_container(raw, options={"format_whitelist": ",".join(FORMATS)})


def _audio_stream(container: Any) -> Any:
    kinds = sorted({stream.type for stream in container.streams})
    if not container.streams.audio:
        raise ValueError(f"has no audio stream{f', only {", ".join(kinds)}' if kinds else ''}")
    stream = container.streams.audio[0]
    if stream.codec_context is None or stream.codec_context.codec_tag in _PROTECTED:
        kind = container.format.name.partition(",")[0]
        reason = "is protected, or in" if kind == "mov" else "is in"
        raise ValueError(
            f"{reason} a codec that FFmpeg does not know, or its header is damaged; convert it by "
            f"the program that wrote it, or get the file again"
        )
    return stream


def _promised(container: Any, stream: Any) -> float:
    """Return the seconds of audio by the header, 0 where it is silent or FFmpeg only guesses."""
    kind = container.format.name.partition(",")[0]
    if kind == "mov" and stream.duration:
        return float(stream.duration * stream.time_base)
    if kind == "matroska" and len(container.streams) == 1 and container.duration:
        return float(container.duration) / 1e6
    return 0.0


def _decoded(container: Any, stream: Any) -> Iterator[tuple[Samples, int]]:
    """Decode packets into blocks of about a second."""
    frames: list[NDArray[Any]] = []
    shape: tuple[int, int] | None = None
    last = b""
    has_hole = False
    is_mpeg = stream.codec_context.name.startswith(("mp2", "mp3"))
    for packet in container.demux(stream):
        last = bytes(packet) if packet.size else last
        if is_mpeg and packet.size and not mpeg_frame_size(last):
            # Tags lie between files that were put one after the other, padding behind the last.
            has_hole = has_hole or (shape is not None and not last.startswith(_TAGS))
            continue
        if has_hole and packet.size:
            raise ValueError(
                f"is damaged: bytes between its frames are no audio; {CURE_OF_CUT_FILES}"
            )
        for frame in packet.decode():
            found = (frame.sample_rate, frame.layout.nb_channels)
            if shape is not None and found != shape:
                raise ValueError(
                    f"changes on the way from {shape[0]} Hz and {shape[1]} channels to {found[0]} "
                    f"Hz and {found[1]}; convert it by `ffmpeg -i in -ar {shape[0]} -ac 1 out.wav`"
                )
            if shape is None:
                check_rate(found[0])
            shape = found
            values = frame.to_ndarray()
            values = values.T if frame.format.is_planar else values
            frames.append(_scaled(values.reshape(-1, shape[1])))
            if sum(map(len, frames)) >= shape[0]:
                yield np.concatenate(frames), shape[0]
                frames = []
    if is_mpeg and len(last) < mpeg_frame_size(last):
        raise ValueError(f"is cut: its last frame is not whole; {CURE_OF_CUT_FILES}")
    if shape is not None and frames:
        yield np.concatenate(frames), shape[0]


def _scaled(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype == np.int16:
        return values
    if values.dtype == np.uint8:
        return (values.astype(np.float32) - 128) / 128
    if values.dtype.kind == "i":
        return (values / -float(np.iinfo(values.dtype).min)).astype(np.float32)
    if values.size and max(values.max(), -values.min()) > LOUD:
        raise ValueError(
            f"samples go up to {np.abs(values).max():g}, floats in [-1, 1] are expected; scale "
            f"them, e.g. by `sox --norm in.wav out.wav`"
        )
    return values.astype(np.float32, copy=False)
