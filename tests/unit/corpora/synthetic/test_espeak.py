"""Speech: reproducible, different between speakers, with a normal rate."""

import numpy as np
import pytest

from speechmoe_espnet.corpora.synthetic import espeak
from speechmoe_espnet.corpora.synthetic.pinyin import to_espeak
from speechmoe_espnet.corpora.synthetic.signal import resample, trim
from speechmoe_espnet.corpora.synthetic.voices import VARIANTS, Speaker, make_speakers

ALL_VARIANTS = [name for names in VARIANTS.values() for name in names]
TEXT = to_espeak("今天天气很好我们一起去公园")
NUM_SYLLABLES = 13


def speaker(variant: str, **changes: int) -> Speaker:
    return Speaker(
        **{"name": "x", "variant": variant, "pitch": 50, "pitch_range": 50, "rate": 220, **changes}
    )


def fresh(variant: str) -> np.ndarray:
    """Synthesise with a newly loaded espeak-ng, in memory with other contents each time."""
    rng = np.random.default_rng()
    junk = [np.full(int(rng.integers(10, 60000)), rng.random()) for _ in range(20)]
    del junk
    with espeak.Session() as session:
        session.say("ni3 hao3", speaker("f1"))
        return session.say(TEXT, speaker(variant))


@pytest.mark.parametrize("variant", ALL_VARIANTS)
def test_each_voice_is_repeatable_loud_and_of_normal_rate(variant):
    samples = fresh(variant)
    assert np.array_equal(samples, fresh(variant))
    assert 2000 < np.abs(samples.astype(int)).max() < 32000
    seconds = len(trim(resample(samples, espeak.SAMPLE_RATE))) / 16000
    assert 3.5 < NUM_SYLLABLES / seconds < 7.5


def test_voices_differ():
    with espeak.Session() as session:
        spectra = []
        for variant in ALL_VARIANTS:
            samples = session.say(TEXT, speaker(variant)).astype(np.float64)
            power = np.abs(np.fft.rfft(samples, 2**17)) ** 2
            bands = np.log([band.mean() for band in np.array_split(power[: 2**15], 40)])
            spectra.append(bands - bands.mean())
    distances = [
        np.abs(spectra[i] - spectra[j]).mean()
        for i in range(len(spectra))
        for j in range(len(spectra))
        if i != j
    ]
    assert np.median(distances) > 0.5
    assert np.mean(np.array(distances) > 0.05) > 0.99


def test_pitch_and_rate_have_an_effect():
    with espeak.Session() as session:
        low = f0(session.say(TEXT, speaker("m1", pitch=30)))
        high = f0(session.say(TEXT, speaker("m1", pitch=70)))
        slow = session.say(TEXT, speaker("m1", rate=180))
        fast = session.say(TEXT, speaker("m1", rate=250))
        faster = session.say(TEXT, speaker("m1", rate=250), 1.2)
    assert high > 1.2 * low
    assert len(slow) > 1.2 * len(fast)
    assert len(fast) > 1.1 * len(faster)


def f0(samples: np.ndarray) -> float:
    found = []
    for start in range(0, len(samples) - 1200, 600):
        frame = samples[start : start + 1200].astype(np.float64)
        correlation = np.correlate(frame, frame, "full")[1199:]
        lag = 60 + int(np.argmax(correlation[60:400]))
        if correlation[lag] > 0.5 * correlation[0] > 0:
            found.append(espeak.SAMPLE_RATE / lag)
    return float(np.median(found))


def test_an_unknown_voice_is_an_error():
    with espeak.Session() as session, pytest.raises(ValueError, match=r"no voice .*nobody"):
        session.say(TEXT, speaker("nobody"))


def test_speaker_does_not_depend_on_their_number():
    assert make_speakers("read", "eval", 5, seed=1) == make_speakers("read", "eval", 12, seed=1)[:5]
