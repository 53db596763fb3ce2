"""Acoustics of each style: from dry speech to a recording.

========  =====================================================================
read      close microphone in a quiet room: noise 30 to 45 dB below the speech
chat      telephone band, half near and half at a distance in a room, noise 15 to 30 dB below
spon      rooms; babble (40 %) 5 to 20 dB below, or noise (40 %) 5 to 20 dB below, or neither
aishell2  high-fidelity microphone: dry, noise 50 to 60 dB below
========  =====================================================================
"""

import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.corpora.synthetic.signal import (
    SAMPLE_RATE,
    Signal,
    add_noise,
    reverberate,
    set_level,
    telephone,
    to_int16,
)
from speechmoe_espnet.corpora.synthetic.surroundings import Surroundings, excerpt

_SILENCE_S = (0.08, 0.25)
_LEVEL_DB = {"read": (-26, -20), "chat": (-30, -20), "spon": (-30, -20), "aishell2": (-23, -20)}


def record(
    speech: Signal, style: str, surroundings: Surroundings, rng: np.random.Generator
) -> NDArray[np.int16]:
    """Turn dry speech into a recording in a style.

    Args:
        speech: Trimmed speech at 16 kHz, shape (samples,).
        style: One of the four styles.
        surroundings: The partition's rooms, babble and noise.
        rng: Source of all random choices.

    Returns:
        The recording at 16 kHz, shape (samples,), never clipped.
    """
    before, after = (int(rng.uniform(*_SILENCE_S) * SAMPLE_RATE) for _ in range(2))
    signal = np.pad(speech, (before, after))
    if style == "read":
        signal = _with_noise(signal, surroundings, rng, 30, 45)
    elif style == "chat":
        signal = _in_a_room(signal, surroundings, rng, share_far=0.5)
        signal = telephone(set_level(_with_noise(signal, surroundings, rng, 15, 30), -20))
    elif style == "spon":
        signal = _in_a_room(signal, surroundings, rng, share_far=0.6)
        kind = rng.random()
        if kind < 0.4:
            babble = surroundings.babble[int(rng.integers(len(surroundings.babble)))]
            piece = excerpt(babble, len(signal), rng)
            signal = add_noise(signal, piece, rng.uniform(5, 20))
        elif kind < 0.8:
            signal = _with_noise(signal, surroundings, rng, 5, 20)
        else:
            signal = _with_noise(signal, surroundings, rng, 25, 40)
    elif style == "aishell2":
        signal = _with_noise(signal, surroundings, rng, 50, 60)
    else:
        raise ValueError(f"style must be one of {', '.join(_LEVEL_DB)}; got {style!r}")
    return to_int16(set_level(signal, rng.uniform(*_LEVEL_DB[style])))


def _in_a_room(
    signal: Signal, surroundings: Surroundings, rng: np.random.Generator, share_far: float
) -> Signal:
    near, far = surroundings.rooms[int(rng.integers(len(surroundings.rooms)))]
    return reverberate(signal, far if rng.random() < share_far else near)


def _with_noise(
    signal: Signal, surroundings: Surroundings, rng: np.random.Generator, low: float, high: float
) -> Signal:
    track = surroundings.noise[int(rng.integers(len(surroundings.noise)))]
    return add_noise(signal, excerpt(track, len(signal), rng), rng.uniform(low, high))
