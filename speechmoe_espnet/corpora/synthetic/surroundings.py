"""Rooms, babble and noise, made once and shared by all utterances.

Each partition has its own rooms, babble and noise, which depend on the seed alone. Training has
many more of each than dev and eval, since a network would memorise a few seconds of babble.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from speechmoe_espnet.corpora.synthetic import espeak, pinyin
from speechmoe_espnet.corpora.synthetic.grammar import choose
from speechmoe_espnet.corpora.synthetic.randomness import partition_of, rng_for
from speechmoe_espnet.corpora.synthetic.signal import (
    SAMPLE_RATE,
    Signal,
    active_rms,
    resample,
    trim,
)
from speechmoe_espnet.corpora.synthetic.sources import news_sentences
from speechmoe_espnet.corpora.synthetic.voices import Speaker, make_speakers
from speechmoe_espnet.data.array_file import read_arrays
from speechmoe_espnet.data.text_norm import normalize_text

_NUM_ROOMS = {"train": 192, "dev": 24, "eval": 24}
_NUM_BABBLE_TRACKS = {"train": 64, "dev": 4, "eval": 4}
_NUM_BABBLE_VOICES = 5
_NUM_NOISE_TRACKS = {"train": 96, "dev": 12, "eval": 12}
_TRACK_SAMPLES = 10 * SAMPLE_RATE
_TAIL_BELOW_PEAK_DB = 45.0
_MAX_IMAGE_ORDER = 14
_COMMON_CHARACTERS = 600

type Signals = Signal | tuple[Signal, ...]


class _MadeOnDemand[T]:
    """A fixed number of items, each made or read at its first use."""

    def __init__(self, make: Callable[[int], T], length: int) -> None:
        self._make = cache(make)
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> T:
        return self._make(range(self._length)[index])


@dataclass(frozen=True)
class Surroundings:
    """Rooms, babble and noise of one partition; each item is made at its first use.

    Attributes:
        partition: `train`, `dev` or `eval`.
        seed: The user's seed.
        shared_dir: Where processes that work for one corpus leave items for each other.
    """

    partition: str
    seed: int
    shared_dir: Path | None = None

    @cached_property
    def rooms(self) -> _MadeOnDemand[tuple[Signal, Signal]]:
        """Impulse responses of each room at about 0.4 m and at 1.2 to 2.5 m."""
        return self._made_by(_room, _NUM_ROOMS)

    @cached_property
    def babble(self) -> _MadeOnDemand[Signal]:
        """Tracks of several people talking at once."""
        return self._made_by(_babble, _NUM_BABBLE_TRACKS)

    @cached_property
    def noise(self) -> _MadeOnDemand[Signal]:
        """Tracks of coloured noise, steady or with varying level."""
        return self._made_by(_noise, _NUM_NOISE_TRACKS)

    def _made_by[T: Signals](
        self, make: Callable[[str, int, int], T], numbers: dict[str, int]
    ) -> _MadeOnDemand[T]:
        number = numbers[self.partition]

        def item(index: int) -> T:
            return make(self.partition, index, self.seed)

        def shared_item(index: int) -> T:
            assert self.shared_dir is not None
            path = self.shared_dir / f"{self.partition}{make.__name__}{index}"
            return _read_or_make(path, lambda: item(index))

        return _MadeOnDemand(item if self.shared_dir is None else shared_item, number)


def _read_or_make[T: Signals](path: Path, make: Callable[[], T]) -> T:
    """Read what another process made; two that make an item at once write the same."""
    try:
        arrays = read_arrays(path)
        signals = tuple(arrays[name] for name in sorted(arrays))
        if not signals:
            raise ValueError(f"{path}: holds no arrays; remove it, it is made again")
        # One signal is an item by itself, several are a tuple.
        return signals if len(signals) > 1 else signals[0]  # type: ignore[return-value]
    except FileNotFoundError:
        item = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    with unfinished.open("wb") as file:
        np.savez(file, *(item if isinstance(item, tuple) else (item,)))
    unfinished.replace(path)
    return item


@cache
def surroundings_of(partition: str, seed: int, shared_dir: Path | None = None) -> Surroundings:
    """Return the surroundings of one partition, the same object each time."""
    return Surroundings(partition, seed, shared_dir)


def excerpt(track: Signal, num_samples: int, rng: np.random.Generator) -> Signal:
    """Cut a random excerpt out of a track, which repeats at its end.

    Args:
        track: Shape (track samples,).
        num_samples: Length of the excerpt.
        rng: Draws the start.

    Returns:
        Shape (num_samples,).
    """
    start = int(rng.integers(len(track)))
    rounds = -(-(start + num_samples) // len(track))
    several = track if rounds == 1 else np.concatenate([track] * rounds)
    return several[start : start + num_samples]


def _room(partition: str, index: int, seed: int) -> tuple[Signal, Signal]:
    import pyroomacoustics

    pyroomacoustics.constants.set("num_threads", 1)
    rng = rng_for(seed, "room", partition, index)
    size = rng.uniform((3.5, 3.0, 2.5), (8.0, 6.0, 3.5))
    reverberation_s = rng.uniform(0.2, 0.5)
    absorption, _ = pyroomacoustics.inverse_sabine(reverberation_s, size)
    room = pyroomacoustics.ShoeBox(
        size,
        fs=SAMPLE_RATE,
        materials=pyroomacoustics.Material(absorption),
        max_order=_MAX_IMAGE_ORDER,
    )
    source = np.append(rng.uniform(0.8, size[:2] - 0.8), rng.uniform(1.1, 1.7))
    angle = rng.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(angle), np.sin(angle), 0.0])
    microphones = [
        np.clip(source + distance * direction, 0.3, size - 0.3)
        for distance in (rng.uniform(0.3, 0.5), rng.uniform(1.2, 2.5))
    ]
    room.add_source(source)
    room.add_microphone_array(np.array(microphones).T)
    room.compute_rir()
    near, far = (_from_direct_sound(room.rir[i][0]) for i in range(2))
    return near, far


def _from_direct_sound(response: np.ndarray) -> Signal:
    peak = int(np.argmax(np.abs(response)))
    response = response[peak:] / np.abs(response[peak])
    audible = np.flatnonzero(np.abs(response) > 10 ** (-_TAIL_BELOW_PEAK_DB / 20))
    return response[: audible[-1] + 1].astype(np.float32)


def _babble(partition: str, index: int, seed: int) -> Signal:
    rng = rng_for(seed, "babble", partition, index)
    lines = news_sentences(_COMMON_CHARACTERS)
    num_tracks = _NUM_BABBLE_TRACKS[partition]
    speakers = _babble_speakers(partition, seed)
    track = np.zeros(_TRACK_SAMPLES, dtype=np.float32)
    with espeak.Session() as session:
        for speaker in speakers[index::num_tracks]:
            filled = int(rng.integers(SAMPLE_RATE))
            while filled < _TRACK_SAMPLES:
                line = choose(rng, lines)
                if partition_of(normalize_text(line)) != partition:
                    continue
                samples = session.say(pinyin.to_espeak(line), speaker)
                voice = trim(resample(samples, espeak.SAMPLE_RATE))
                voice = (voice / active_rms(voice))[: _TRACK_SAMPLES - filled]
                track[filled : filled + len(voice)] += voice
                filled += len(voice) + int(rng.integers(SAMPLE_RATE // 2))
    return track


@cache
def _babble_speakers(partition: str, seed: int) -> tuple[Speaker, ...]:
    count = _NUM_BABBLE_VOICES * _NUM_BABBLE_TRACKS[partition]
    return make_speakers("spon", partition, count, seed)


def _noise(partition: str, index: int, seed: int) -> Signal:
    """White noise with a random slope of 0 to -9 dB per octave; every other one varies in level."""
    rng = rng_for(seed, "noise", partition, index)
    spectrum = np.fft.rfft(rng.standard_normal(_TRACK_SAMPLES))
    frequency = np.fft.rfftfreq(_TRACK_SAMPLES, 1 / SAMPLE_RATE)
    exponent = rng.uniform(0.0, 1.5)
    spectrum *= np.maximum(frequency, 50.0) ** -exponent
    track = np.fft.irfft(spectrum, _TRACK_SAMPLES)
    if index % 2:
        period = _TRACK_SAMPLES / int(rng.integers(2, 12))
        phase = rng.uniform(0, 2 * np.pi)
        track *= 1 + 0.7 * np.sin(2 * np.pi * np.arange(_TRACK_SAMPLES) / period + phase)
    return (track / track.std()).astype(np.float32)
