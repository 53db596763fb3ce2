"""Compressed recordings, made by PyAV."""

from pathlib import Path

import av
import numpy as np

RATE = 16000


def tone(seconds: float, rate: int = RATE) -> np.ndarray:
    """Silence, louder from second to second, so that bit rates vary, and a tone in it."""
    times = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(0).normal(0, 0.05, len(times))
    loud = np.floor(times) % 2
    return (loud * (noise + 0.3 * np.sin(2 * np.pi * 440 * times))).astype(np.float32)


def encode(
    path: Path,
    kind: str,
    codec: str | None,
    *,
    seconds: float = 4.0,
    rate: int = RATE,
    layout: str = "mono",
    video: bool = False,
    options: dict[str, str] | None = None,
    settings: dict[str, str] | None = None,
) -> Path:
    with av.open(str(path), "w", format=kind, options=options or {}) as container:
        streams = []
        if video:
            picture = container.add_stream("mpeg4", rate=10)
            picture.width = picture.height = 32
            picture.pix_fmt = "yuv420p"
            pixels = np.zeros((32, 32, 3), np.uint8)
            frames = [av.VideoFrame.from_ndarray(pixels, format="rgb24") for _ in range(10)]
            streams.append((picture, frames))
        if codec:
            sound = container.add_stream(codec, rate=rate, layout=layout, options=settings or {})
            samples = np.tile(tone(seconds, rate), (sound.layout.nb_channels, 1))
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, 0
            streams.append((sound, [frame]))
        for stream, frames in streams:
            for frame in [*frames, None]:
                for packet in stream.encode(frame):
                    container.mux(packet)
    return path
