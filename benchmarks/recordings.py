"""Artificial recordings for benchmarks, reproducible from a seed."""

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from speechmoe_espnet.data.kaldi_dir import DataDir

SHORTEST, LONGEST = 2.0, 10.0
_FORMANTS = (500.0, 1500.0, 2500.0)


def speechlike(seconds: float, rate: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Make a buzz with syllable-like loudness, formants and noise, quantised to 16 bits.

    Args:
        seconds: Duration.
        rate: Sample rate in Hz.
        rng: Draws pitch and noise.

    Returns:
        (num_samples,) in [-1, 1).
    """
    time = np.arange(int(seconds * rate)) / rate
    pitch = rng.uniform(80, 250)
    sound = 0.002 * rng.standard_normal(len(time))
    for harmonic in np.arange(pitch, min(rate / 2, 4000), pitch):
        level = sum(np.exp(-(((harmonic - formant) / 300) ** 2)) for formant in _FORMANTS)
        sound += 0.1 * (level + 0.02) * np.sin(2 * np.pi * harmonic * time + harmonic)
    sound *= 0.1 + np.sin(2 * np.pi * 2 * time + rng.uniform(0, 6)) ** 2
    rounded: NDArray[np.float32] = np.round(np.clip(sound, -1, 0.999) * 32768).astype(np.float32)
    return rounded / np.float32(32768)


def write_recordings(
    folder: Path, suffix: str, rate: int, num_utterances: int, seed: int = 0
) -> float:
    """Write a data directory with recordings of 2 to 10 seconds.

    Args:
        folder: Data directory to make, also for the recordings.
        suffix: Format: "wav", or another one that soundfile writes.
        rate: Sample rate in Hz.
        num_utterances: Number of recordings.
        seed: Seed of the sound.

    Returns:
        Seconds of audio.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    names = [f"u{number:05}" for number in range(num_utterances)]
    total = 0.0
    for name, seconds in zip(names, np.linspace(SHORTEST, LONGEST, num_utterances), strict=True):
        sound = speechlike(float(seconds), rate, rng)
        soundfile.write(folder / f"{name}.{suffix}", sound, rate)
        total += len(sound) / rate
    DataDir(
        folder,
        {name: str(folder / f"{name}.{suffix}") for name in names},
        dict.fromkeys(names, "好"),
        dict.fromkeys(names, "s"),
    ).write(folder)
    return total
