"""Silero VAD, as its wheel brings it."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from speechmoe_espnet.data.audio import read_audio
from speechmoe_espnet.data.samples import resampled
from speechmoe_espnet.inference.speech_finder import SILERO, find_everything, make_speech_finder

SAMPLE = Path(
    os.environ.get(
        "SPEECHMOE_TEST_CLIPS", Path(__file__).parents[4] / "shared/data/real_clips/audio"
    )
)


@pytest.fixture(scope="module")
def silero():
    return make_speech_finder(SILERO)


@pytest.mark.parametrize("kind", ["silence", "hum", "chord"])
def test_there_is_no_speech_in(kind, silero):
    times = np.arange(10 * 16000) / 16000
    sounds = {
        "silence": 0 * times,
        "hum": 0.1 * np.sin(2 * np.pi * 50 * times),
        "chord": sum(0.1 * np.sin(2 * np.pi * hertz * times) for hertz in (262, 330, 392)),
    }
    assert not silero(sounds[kind].astype(np.float32), 16000, 20.0)


@pytest.mark.skipif(not SAMPLE.is_dir(), reason=f"no clips in {SAMPLE}; set SPEECHMOE_TEST_CLIPS")
@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_pauses_part_what_people_say(rate, silero):
    speech, found = read_audio(sorted(SAMPLE.glob("*.flac"))[0])
    speech = resampled(speech, found, rate)
    pause = np.zeros(3 * rate, np.float32)
    spans = silero(np.concatenate([pause, speech, pause, speech, pause]), rate, 20.0)
    halves = [span for span in spans if span[1] < 4.5 * rate + len(speech)]
    assert halves
    assert len(spans) == 2 * len(halves)
    assert halves[0][0] == pytest.approx(3 * rate, abs=rate)
    assert spans[-1][1] <= 6 * rate + 2 * len(speech) + 1.5 * rate + 1.5 * rate


def test_its_import_leaves_the_threads_of_torch(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("silero_vad")]:
        monkeypatch.delitem(sys.modules, name)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        make_speech_finder(SILERO)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_everything_is_covered():
    assert find_everything(np.zeros(250, np.float32), 10, 10.0) == [
        (0, 100),
        (100, 200),
        (200, 250),
    ]


def test_an_unknown_finder_is_one_line():
    with pytest.raises(ValueError, match="'loud' is not one of silero, none"):
        make_speech_finder("loud")
