"""Operations on a signal: telephone band, rooms, noise at a given ratio, level.

Signals are float32 arrays of shape (samples,) at 16 kHz with full scale 1.0.
"""

from functools import cache

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.signal import butter, oaconvolve, sosfilt

type Signal = NDArray[np.float32]

SAMPLE_RATE = 16000
PEAK = 0.9
_BAND_HZ = (300.0, 3400.0)
_TELEPHONE_RATE = 8000
_MU = 255.0
_FRAME = 400
_ACTIVE_BELOW_PEAK_DB = 35.0


def resample(samples: NDArray[np.int16], rate: int) -> Signal:
    """Resample 16-bit samples to float32 at 16 kHz."""
    signal = samples.astype(np.float32) / 32768
    return np.asarray(soxr.resample(signal, rate, SAMPLE_RATE, quality="MQ"), dtype=np.float32)


def telephone(signal: Signal) -> Signal:
    """Simulate a telephone: 300 to 3,400 Hz at 8 kHz, 8-bit mu-law.

    Args:
        signal: Shape (samples,).

    Returns:
        Shape (samples,), at 16 kHz again.
    """
    narrow = soxr.resample(signal, SAMPLE_RATE, _TELEPHONE_RATE, quality="MQ")
    narrow = np.clip(sosfilt(_telephone_filter(), narrow), -1, 1)
    code = np.sign(narrow) * np.log1p(_MU * np.abs(narrow)) / np.log1p(_MU)
    code = np.round(code * 127) / 127
    narrow = np.sign(code) * np.expm1(np.abs(code) * np.log1p(_MU)) / _MU
    wide = soxr.resample(
        narrow.astype(np.float32), _TELEPHONE_RATE, SAMPLE_RATE, quality="MQ"
    ).astype(np.float32)
    return np.pad(wide, (0, max(0, len(signal) - len(wide))))[: len(signal)]


@cache
def _telephone_filter() -> NDArray[np.float64]:
    return np.asarray(butter(6, _BAND_HZ, "bandpass", fs=_TELEPHONE_RATE, output="sos"))


def reverberate(signal: Signal, response: Signal) -> Signal:
    """Convolve with a room's impulse response whose direct sound is at sample 0.

    Args:
        signal: Shape (samples,).
        response: Shape (taps,).

    Returns:
        Shape (samples + taps - 1,).
    """
    return np.asarray(oaconvolve(signal, response), dtype=np.float32)


def active_rms(signal: Signal) -> float:
    """Root mean square over 25 ms frames with speech (within 35 dB of the loudest)."""
    frames = signal[: len(signal) // _FRAME * _FRAME].reshape(-1, _FRAME)
    power = np.mean(np.square(frames, dtype=np.float64), axis=1)
    loudest = power.max(initial=0.0)
    if loudest == 0.0:
        raise ValueError("the signal is silent")
    return float(np.sqrt(power[power > loudest * 10 ** (-_ACTIVE_BELOW_PEAK_DB / 10)].mean()))


def trim(signal: Signal) -> Signal:
    """Remove silence (50 dB below the peak) from both ends."""
    loud = np.flatnonzero(np.abs(signal) > np.abs(signal).max(initial=0.0) * 10 ** (-50 / 20))
    return signal[loud[0] : loud[-1] + 1] if len(loud) else signal[:0]


def add_noise(signal: Signal, noise: Signal, snr_db: float) -> Signal:
    """Add noise at a given signal-to-noise ratio.

    Args:
        signal: Speech, shape (samples,); its level is that of its active frames.
        noise: Shape (samples,).
        snr_db: Signal-to-noise ratio in dB.
    """
    level = active_rms(signal) * 10 ** (-snr_db / 20)
    rms = float(np.sqrt(np.mean(np.square(noise, dtype=np.float64))))
    return np.asarray(signal + noise * np.float32(level / rms), dtype=np.float32)


def set_level(signal: Signal, level_db: float) -> Signal:
    """Scale speech to a level, or lower if it would clip.

    Args:
        signal: Shape (samples,).
        level_db: Level of the active frames in dB relative to full scale.
    """
    gain = 10 ** (level_db / 20) / active_rms(signal)
    return signal * np.float32(min(gain, PEAK / np.abs(signal).max()))


def to_int16(signal: Signal) -> NDArray[np.int16]:
    """Round to 16 bits.

    Raises:
        ValueError: The signal would clip or holds a value that is not finite.
    """
    if not np.isfinite(signal).all() or np.abs(signal).max(initial=0.0) > 1.0:
        raise ValueError("the signal clips or is not finite")
    return np.round(signal * 32767).astype(np.int16)
