"""Recordings that cannot be transcribed, each with what is said of it; and one that can."""

import os
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from sound_files import encode

from speechmoe_espnet.data.samples import resampled

SECONDS = 3


def sound(seconds: float = SECONDS, rate: int = 16000, channels: int = 1) -> NDArray[np.float32]:
    """Noise whose colour changes all the time, so that even a random model writes something."""
    rng = np.random.default_rng(1)
    samples = rng.normal(0, 0.1, int(seconds * 16000)).astype(np.float32)
    samples *= np.repeat(rng.uniform(0, 2, len(samples) // 800 + 1), 800)[: len(samples)]
    samples = np.clip(np.cumsum(samples) * 0.05 + samples, -0.9, 0.9).astype(np.float32)
    samples = np.clip(resampled(samples, 16000, rate), -0.95, 0.95)
    return np.tile(samples[:, None], (1, channels))


def bad_recordings(folder: Path) -> dict[Path, str]:
    """Write them; return what is said by path."""

    def write(name: str, samples: NDArray[np.float32], **options: str) -> Path:
        soundfile.write(folder / name, samples, 16000, **options)
        return folder / name

    (folder / "empty.wav").write_bytes(b"")
    (folder / "letter.mp3").write_text("Dear reader")
    nan = sound().copy()
    nan[5] = np.nan
    cut = write("cut.wav", sound(5))
    cut.write_bytes(cut.read_bytes()[:50000])
    os.mkdir(folder / "folder.wav")
    return {
        folder / "missing.wav": "No such file",
        folder / "empty.wav": "0 bytes",
        folder / "letter.mp3": "cannot be read as audio",
        folder / "folder.wav": "is a folder",
        cut: "is cut",
        write("nan.wav", nan, subtype="FLOAT"): "not finite",
        write("short.wav", sound(0.01)): "lasts 10 ms; speech takes at least 100 ms",
        write("headeronly.wav", np.zeros(0)): "is empty",
        encode(folder / "silent.mp4", "mp4", None, video=True): "has no audio stream, only video",
        write("silence.wav", np.zeros(80000)): "no speech found in 5.0 s",
    }
