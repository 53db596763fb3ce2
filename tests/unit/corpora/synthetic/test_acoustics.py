"""Sound: band limits, ratios, levels, rooms."""

import numpy as np
import pytest

from speechmoe_espnet.corpora.synthetic import surroundings as surroundings_module
from speechmoe_espnet.corpora.synthetic.acoustics import record
from speechmoe_espnet.corpora.synthetic.presets import STYLES
from speechmoe_espnet.corpora.synthetic.signal import (
    SAMPLE_RATE,
    active_rms,
    add_noise,
    reverberate,
    set_level,
    telephone,
    to_int16,
    trim,
)
from speechmoe_espnet.corpora.synthetic.surroundings import Surroundings, excerpt, surroundings_of


@pytest.fixture(scope="module")
def surroundings() -> Surroundings:
    return surroundings_of("dev", 0)


@pytest.fixture(scope="module")
def white() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal(2 * SAMPLE_RATE)).astype(np.float32)


def band_db(signal: np.ndarray, low: float, high: float) -> float:
    """Mean power density of a band in dB."""
    power = np.abs(np.fft.rfft(signal * np.hanning(len(signal)))) ** 2
    frequency = np.fft.rfftfreq(len(signal), 1 / SAMPLE_RATE)
    return float(10 * np.log10(power[(frequency >= low) & (frequency < high)].mean() + 1e-20))


def test_telephone_band(white):
    narrow = telephone(white)
    assert narrow.shape == white.shape
    inside = band_db(narrow, 500, 3000)
    assert abs(inside - band_db(white, 500, 3000)) < 1
    assert band_db(narrow, 0, 150) < inside - 25
    assert band_db(narrow, 4300, 8000) < inside - 25


@pytest.mark.parametrize("snr_db", [0, 10, 30])
def test_noise_is_added_at_the_ratio(white, snr_db):
    time = np.arange(len(white)) / SAMPLE_RATE
    speech = np.sin(2 * np.pi * 200 * time).astype(np.float32)
    speech[SAMPLE_RATE:] = 0
    noise = add_noise(speech, white, snr_db) - speech
    ratio = 20 * np.log10(active_rms(speech) / np.sqrt(np.mean(noise**2)))
    assert ratio == pytest.approx(snr_db, abs=0.1)


def test_level_is_reached_or_the_peak_is(white):
    level = 20 * np.log10(active_rms(set_level(white, -30)))
    assert level == pytest.approx(-30, abs=0.1)
    spiky = np.zeros(SAMPLE_RATE, dtype=np.float32)
    spiky[::4000] = 0.5
    assert np.abs(set_level(spiky, -3)).max() == pytest.approx(0.9, abs=1e-4)


def test_silence_and_clipping_are_errors():
    with pytest.raises(ValueError, match="silent"):
        active_rms(np.zeros(1000, dtype=np.float32))
    with pytest.raises(ValueError, match="clips"):
        to_int16(np.array([1.2], dtype=np.float32))
    with pytest.raises(ValueError, match="finite"):
        to_int16(np.array([np.nan], dtype=np.float32))


def test_trim_cuts_silence_only():
    signal = np.concatenate([np.zeros(100), np.ones(50), np.zeros(70)]).astype(np.float32)
    assert len(trim(signal)) == 50


def test_far_rooms_have_less_direct_sound_than_near_ones(surroundings):
    def direct_share(response: np.ndarray) -> float:
        power = np.square(response)
        return float(power[:80].sum() / power.sum())

    near = np.mean([direct_share(near) for near, _ in surroundings.rooms])
    far = np.mean([direct_share(far) for _, far in surroundings.rooms])
    assert near > far + 0.1
    impulse = np.zeros(100, dtype=np.float32)
    impulse[0] = 1
    response = surroundings.rooms[0][0]
    assert np.allclose(reverberate(impulse, response)[: len(response)], response, atol=1e-5)


def test_surroundings_are_repeatable_and_differ_by_partition(surroundings):
    again, other = Surroundings("dev", 0), Surroundings("eval", 0)
    for kind in ("noise", "babble"):
        for first, second in zip(getattr(surroundings, kind), getattr(again, kind), strict=True):
            assert np.array_equal(first, second)
        assert not np.array_equal(getattr(surroundings, kind)[0], getattr(other, kind)[0])
    assert np.array_equal(surroundings.rooms[3][1], again.rooms[3][1])
    assert len(surroundings.rooms[0][0]) != len(other.rooms[0][0])


def test_processes_find_what_others_made(tmp_path, monkeypatch):
    alone = Surroundings("dev", 7)
    expected = [alone.rooms[1], alone.babble[1], alone.noise[1]]
    for again in range(2):
        shared = Surroundings("dev", 7, tmp_path / "shared")
        found = [shared.rooms[1], shared.babble[1], shared.noise[1]]
        for one, other in zip(found, expected, strict=True):
            for signal, expected_signal in zip(one, other, strict=True):
                assert np.array_equal(signal, expected_signal)
        assert len(list((tmp_path / "shared").iterdir())) == 3
        if not again:
            # From here on nothing can be made any more, only read.
            monkeypatch.setattr(surroundings_module, "rng_for", None)


def test_training_has_more_surroundings_made_on_demand():
    training, dev = Surroundings("train", 0), Surroundings("dev", 0)
    for kind in ("rooms", "babble", "noise"):
        assert len(getattr(training, kind)) >= 8 * len(getattr(dev, kind))
    last = len(training.noise) - 1
    assert training.noise[last] is training.noise[-1]
    assert not np.array_equal(training.noise[last], training.noise[0])
    assert len(training.noise[0]) == len(training.noise[1]) == 10 * SAMPLE_RATE
    with pytest.raises(IndexError):
        training.noise[last + 1]


def test_excerpt_wraps_around():
    track = np.arange(10, dtype=np.float32)
    piece = excerpt(track, 25, np.random.default_rng(0))
    assert len(piece) == 25
    assert np.array_equal(piece[:10], piece[10:20])


@pytest.mark.parametrize("style", STYLES)
def test_recordings_never_clip_and_have_short_silences(style, surroundings, white):
    for seed in range(5):
        recording = record(white, style, surroundings, np.random.default_rng(seed))
        assert recording.dtype == np.int16
        assert 300 < np.abs(recording.astype(int)).max() <= 0.9 * 32767 + 1
        extra = len(recording) - len(white)
        assert 0.15 * SAMPLE_RATE < extra < 1.1 * SAMPLE_RATE


def test_styles_sound_as_described(surroundings, white):
    rng = np.random.default_rng(0)
    assert band_db(record(white, "chat", surroundings, rng), 4300, 8000) < -5 + band_db(
        record(white, "aishell2", surroundings, rng), 4300, 8000
    )
    with pytest.raises(ValueError, match="got 'radio'"):
        record(white, "radio", surroundings, rng)
