import base64
import io

import numpy as np
import pytest
import soundfile

from speechmoe_espnet.data.kaldi_dir import DataDir, Segment
from speechmoe_espnet.report import players as module
from speechmoe_espnet.report.players import MAX_PLAYERS, players

RATE = 16000


def tone(hertz, seconds=1.0, rate=RATE):
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def write_set(root, name, sounds, rate=RATE, segments=None, prefix=""):
    wavs = root / "wav"
    wavs.mkdir(exist_ok=True, parents=True)
    for recording, samples in sounds.items():
        soundfile.write(wavs / f"{recording}.wav", samples, rate, subtype="PCM_16")
    utts = segments or sounds
    DataDir(
        path=root / name,
        wav_scp={recording: f"{prefix or wavs}/{recording}.wav" for recording in sounds},
        text=dict.fromkeys(utts, "好"),
        utt2spk=dict.fromkeys(utts, "s"),
        segments=segments,
    ).write(root / name)


def decode(address):
    head, data = address.split(",")
    assert head == "data:audio/mpeg;base64"
    return soundfile.read(io.BytesIO(base64.b64decode(data)))


def loudest_hertz(samples, rate):
    return np.argmax(np.abs(np.fft.rfft(samples))) * rate / len(samples)


def test_a_recording_can_be_decoded_and_sounds_the_same(tmp_path):
    write_set(tmp_path, "read", {"a": tone(440), "b": tone(880)})
    found, complaints = players(tmp_path, {"read": ["b"]})
    assert complaints == []
    assert list(found) == [("read", "b")]
    samples, rate = decode(found["read", "b"])
    assert rate == RATE
    assert samples.ndim == 1
    assert len(samples) == pytest.approx(RATE, abs=2000)
    assert loudest_hertz(samples, rate) == pytest.approx(880, abs=10)


def test_the_same_sound_gives_the_same_bytes(tmp_path):
    write_set(tmp_path, "read", {"a": tone(440)})
    assert players(tmp_path, {"read": ["a"]}) == players(tmp_path, {"read": ["a"]})


def test_segments_are_cut_out(tmp_path):
    sound = np.concatenate([tone(300), tone(900), tone(300)])
    write_set(tmp_path, "read", {"rec": sound}, segments={"utt": Segment("rec", 1.0, 2.0)})
    found, _ = players(tmp_path, {"read": ["utt"]})
    samples, rate = decode(found["read", "utt"])
    assert len(samples) == pytest.approx(RATE, abs=2000)
    assert loudest_hertz(samples, rate) == pytest.approx(900, abs=10)


def test_relative_paths_count_from_a_directory_above(tmp_path, monkeypatch):
    data = tmp_path / "recipe/data"
    write_set(data, "read", {"a": tone(440)}, prefix="data/wav")
    monkeypatch.chdir(tmp_path)
    assert ("read", "a") in players(data, {"read": ["a"]})[0]
    monkeypatch.chdir(tmp_path / "recipe")
    assert ("read", "a") in players(data, {"read": ["a"]})[0]


def test_players_are_few_and_spread_over_sets(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_PLAYERS", 4)
    for name in ("read", "chat"):
        write_set(tmp_path, name, {f"{name}{index}": tone(440, 0.1) for index in range(5)})
    wanted = {name: [f"{name}{index}" for index in range(5)] for name in ("read", "chat")}
    found, _ = players(tmp_path, wanted)
    assert list(found) == [
        *(("read", "read0"), ("read", "read1")),
        *(("chat", "chat0"), ("chat", "chat1")),
    ]
    assert MAX_PLAYERS <= 20


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda root: (root / "wav/a.wav").unlink(), "read: a: no file"),
        (lambda root: (root / "wav/a.wav").write_bytes(b"no"), "read: a: cannot be read as audio"),
        (lambda root: (root / "read/wav.scp").unlink(), "read: "),
    ],
)
def test_what_is_gone_has_no_player_and_the_rest_keeps_its_own(tmp_path, change, words):
    write_set(tmp_path, "read", {"a": tone(440)})
    write_set(tmp_path, "chat", {"b": tone(440)})
    change(tmp_path)
    found, (complaint,) = players(tmp_path, {"read": ["a"], "chat": ["b"]})
    assert list(found) == [("chat", "b")]
    assert complaint.startswith(words)


def test_no_directory_at_all(tmp_path):
    found, complaints = players(tmp_path / "gone", {"read": ["a"]})
    assert found == {}
    assert complaints == [f"read: no data directory {tmp_path / 'gone/read'}"]


def test_long_utterances_and_unusual_rates(tmp_path):
    write_set(tmp_path, "read", {"a": tone(440, 21)})
    write_set(tmp_path, "chat", {"b": tone(440, 1, 10000)}, rate=10000)
    found, complaints = players(tmp_path, {"read": ["a"], "chat": ["b"]})
    assert found == {}
    assert "lasts 21.0 s, more than 20 s" in complaints[0]
    assert "has 10000 Hz" in complaints[1]
