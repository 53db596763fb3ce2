"""Recordings in, text out: formats, rates, lengths, and what goes wrong, one line a file."""

import json

import kaldiio
import numpy as np
import pytest
import soundfile
import yaml
from bad_recordings import SECONDS, bad_recordings, sound
from models import hybrid
from sound_files import encode
from trained import experiment

from speechmoe_espnet import Speech2Text
from speechmoe_espnet.bin import decode, pack, transcribe
from speechmoe_espnet.data.audio import read_audio
from speechmoe_espnet.data.features import compute_features
from speechmoe_espnet.decode.config import METHODS, DecodeConfig
from speechmoe_espnet.inference import segmenting
from speechmoe_espnet.inference.speech_finder import find_everything
from speechmoe_espnet.zoo.find_model import CACHE_VARIABLE

FBANK = {"num_mel_bins": 40, "sample_frequency": 16000}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("transcribe")


@pytest.fixture(scope="module")
def model(folder):
    exp = experiment(folder / "exp")
    (exp / "fbank.yaml").write_text(yaml.safe_dump(FBANK))
    return exp


@pytest.fixture(scope="module")
def loaded(model):
    return Speech2Text.from_pretrained(model)


@pytest.fixture
def one_model(loaded, monkeypatch):
    """Load the model once for all tests of recordings."""
    monkeypatch.setattr(Speech2Text, "from_pretrained", lambda *_, **__: loaded)


def run(model, *words, out=None):
    more = [] if out is None else ["--output_dir", str(out)]
    return transcribe.main(["--model", str(model), "--vad", "none", *more, *map(str, words)])


SOUNDFILE = {
    "wav": (16000, 1), "WAV": (44100, 2), "flac": (192000, 1), "ogg": (48000, 2),
    "mp3": (22050, 1), "aiff": (8000, 8), "w64": (11025, 3),
}  # fmt: skip
PYAV = {
    "m4a": ("mp4", "aac", 44100),
    "webm": ("webm", "libopus", 48000),
    "mkv": ("matroska", "flac", 32000),
}


@pytest.mark.parametrize("kind", [*SOUNDFILE, *PYAV])
def test_formats_rates_and_channels(kind, one_model, model, tmp_path):
    path = tmp_path / f"recording.{kind}"
    if kind in SOUNDFILE:
        rate, channels = SOUNDFILE[kind]
        soundfile.write(path, sound(rate=rate, channels=channels), rate)
    else:
        container, codec, rate = PYAV[kind]
        encode(
            path, container, codec, seconds=SECONDS, rate=rate, layout="stereo", video=kind == "m4a"
        )
    assert run(model, path, "--format", "json", "--format", "srt", out=tmp_path / "out") == 0
    found = json.loads((tmp_path / "out/recording.json").read_text())
    assert found["seconds"] == pytest.approx(SECONDS, abs=0.15)
    assert found["text"]
    words = [word for segment in found["segments"] for word in segment["words"]]
    assert "".join(word["text"] for word in words) == found["text"]
    starts = [word["start"] for word in words]
    assert starts == sorted(starts)
    assert all(0 <= w["start"] < w["end"] <= SECONDS + 0.15 for w in words)
    assert all(0 < w["confidence"] <= 1 for w in words)
    assert " --> " in (tmp_path / "out/recording.srt").read_text()


@pytest.mark.parametrize("method", ["ctc_greedy", "ctc_prefix_beam"])
def test_the_text_is_that_of_decode_on_the_same_features(
    method, one_model, loaded, model, tmp_path, capsys
):
    wav, data = tmp_path / "a.wav", tmp_path / "data"
    soundfile.write(wav, sound(), 16000)
    features = compute_features(*read_audio(wav), loaded.fbank)
    data.mkdir()
    kaldiio.save_ark(str(data / "feats.ark"), {"a": features}, scp=str(data / "feats.scp"))
    config = tmp_path / "decode.yaml"
    config.write_text(f"method: {method}\n")
    common = ["--model_dir", model, "--config", config, "--data_dirs", data]
    assert decode.main([*map(str, common), "--output_dir", str(tmp_path / "out")]) == 0
    expected = (tmp_path / "out/data/text").read_text().removeprefix("a ")
    capsys.readouterr()
    assert run(model, wav, "--search", method) == 0
    assert capsys.readouterr().out == expected


def test_a_long_recording_is_cut_and_nothing_is_lost(loaded, tmp_path, monkeypatch):
    wav = tmp_path / "long.wav"
    soundfile.write(wav, sound(30), 16000)
    monkeypatch.setattr(segmenting, "CHAPTER", 12.0)
    monkeypatch.setattr(segmenting, "LONGEST", 4.0)
    transcript = loaded.transcriber(find_speech=find_everything)(wav)
    assert transcript.seconds == 30
    assert len(transcript.segments) >= 7
    words = [word for segment in transcript.segments for word in segment.words]
    starts = [word.start for word in words]
    assert starts == sorted(starts)
    assert max(np.diff(starts)) < 6


@pytest.mark.parametrize("method", [m for m in METHODS if m != "wfst"])
def test_searches(method, tmp_path):
    exp = experiment(tmp_path / "exp", **hybrid())
    wav = tmp_path / "a.wav"
    soundfile.write(wav, sound(), 16000)
    options = {"beam_size": 2, "maxlenratio": 0.2} if method == "espnet_joint" else {}
    config = DecodeConfig.from_mapping({"method": method, **options})
    transcriber = Speech2Text.from_pretrained(exp).transcriber(config, find_everything)
    transcript = transcriber(wav)
    assert transcript.seconds == SECONDS


def test_a_packed_model_and_its_method_of_python(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    packed = tmp_path / "packed"
    assert pack.main(["--model_dir", str(model), "--output_dir", str(packed)]) == 0
    (packed,) = packed.glob("*.zip")
    wav = tmp_path / "a.wav"
    soundfile.write(wav, sound(), 16000)
    capsys.readouterr()
    assert run(packed, wav) == 0
    text = capsys.readouterr().out.strip()
    assert text
    speech2text = Speech2Text.from_pretrained(packed)
    assert speech2text.transcriber(find_speech=find_everything)(wav).text == text
    soundfile.write(tmp_path / "short.wav", sound(0.01), 16000)
    with pytest.raises(ValueError, match=r"short\.wav: lasts 10 ms"):
        speech2text.transcribe(tmp_path / "short.wav")


def test_bad_files_are_one_line_and_the_others_go_on(one_model, model, tmp_path, capsys):
    bad = bad_recordings(tmp_path)
    good = tmp_path / "good.wav"
    soundfile.write(good, sound(), 16000)
    names = [*map(str, bad)]
    words = ["--model", str(model), *names[:5], str(good), *names[5:]]
    # Silero finds no speech in noise, so it judges what is silent only.
    assert transcribe.main([*words, "--vad", "none"]) == 1
    out, err = capsys.readouterr()
    assert {line.split("\t")[0] for line in out.splitlines()} >= {str(good)}
    lines = [line for line in err.splitlines() if line.startswith("transcribe: error: ")]
    for path, said in bad.items():
        mine = [line for line in lines if line.startswith(f"transcribe: error: {path}: ")]
        if path.name == "silence.wav":
            continue
        assert len(mine) == 1, path
        assert said in mine[0]
    assert "recordings gave no text" in lines[-1]
    silence = str(tmp_path / "silence.wav")
    assert transcribe.main(["--model", str(model), silence]) == 1
    assert "no speech found in 5.0 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--format", "srt", "--format", "text"], "several need --output_dir"),
        (["b/a.wav", "--format", "srt"], "needs --output_dir"),
        (["b/a.wav", "--output_dir", "out"], "would be written to the same file"),
        (["--channel", "0"], "--channel 0"),
        (["--channel", "left"], "--channel left"),
        (["--num_threads", "-1"], "--num_threads must be"),
        (["--search", "wfst"], "graph_dir"),
        (["--search", "ctc_greedy", "--config", "x.yaml"], "give one of them"),
    ],
)
def test_mistakes_are_one_line(words, said, one_model, model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(model, "a.wav", *words) == 1
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1


def test_a_channel_is_chosen(one_model, model, tmp_path, capsys):
    two = sound(channels=2)
    two[:, 1] = 0
    soundfile.write(tmp_path / "two.wav", two, 16000)
    soundfile.write(tmp_path / "one.wav", two[:, 0], 16000)
    assert run(model, tmp_path / "one.wav") == run(model, tmp_path / "two.wav", "--channel", "1")
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    assert run(model, tmp_path / "two.wav", "--channel", "3") == 1
    assert "has 2 channels, not channel 3" in capsys.readouterr().err
