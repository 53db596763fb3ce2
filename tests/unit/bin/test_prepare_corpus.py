"""The command: its output and its errors."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from fake_voices import make_voices

from speechmoe_espnet.bin import prepare_corpus
from speechmoe_espnet.data.kaldi_dir import DataDir


def test_one_set_of_the_synthetic_corpus(tmp_path, capsys):
    folder = tmp_path / "data"
    options = ["--preset", "tiny", "--sets", "read", "--train-utts", "12", "--nj", "1"]
    final = ["--output-dir", str(folder), "--final-dir", "data/synthetic"]
    assert prepare_corpus.main([*options, *final]) == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "dev",
        "lm_text",
        "read",
        "train",
        "wav",
    ]
    data = DataDir.load(folder / "train")
    assert len(data.text) == 12
    assert all(path.startswith("data/synthetic/wav/read/") for path in data.wav_scp.values())
    assert all(
        (folder / path.removeprefix("data/synthetic/")).is_file() for path in data.wav_scp.values()
    )
    out = capsys.readouterr().out
    assert "30 utterances" in out
    lines = (folder / "lm_text").read_text(encoding="utf-8").splitlines()
    assert f"lm_text: {len(lines)} sentences" in out
    assert set(data.text.values()) < set(lines)


@pytest.fixture(scope="module")
def voices_dir(tmp_path_factory) -> Path:
    return make_voices(tmp_path_factory.mktemp("voices") / "kokoro")


def _make(folder: Path, *options: object) -> DataDir:
    words = ["--preset", "tiny", "--train_utts", "8", "--nj", "1", "--output_dir", folder, *options]
    assert prepare_corpus.main([str(word) for word in words]) == 0
    return DataDir.load(folder / "train")


def test_natural_voices_say_what_the_formant_synthesiser_says(voices_dir, tmp_path, capsys):
    natural = ["--voices_dir", voices_dir, "--speech_dir", tmp_path / "speech", "--sets", "chat"]
    espeak = _make(tmp_path / "espeak", "--sets", "chat")
    kokoro = _make(tmp_path / "kokoro", "--voices", "kokoro", *natural)
    mixed = _make(tmp_path / "mixed", "--voices", "mixed", *natural)
    assert sorted(kokoro.text.values()) == sorted(espeak.text.values())
    assert sorted(mixed.text.values()) == sorted(espeak.text.values())
    assert all(speaker.endswith("k") for speaker in kokoro.utt2spk.values())
    assert len({s for s in mixed.utt2spk.values() if s.endswith("k")}) == 4
    for path in kokoro.wav_scp.values():
        samples, rate = soundfile.read(path)
        assert rate == 16000
        spectrum = np.abs(np.fft.rfft(samples))
        # The telephone band of this style.
        assert spectrum[-len(spectrum) // 2 :].mean() < 0.02 * spectrum.max()
        assert samples.std() > 0.003


def test_natural_speech_is_made_once_for_all_corpora(voices_dir, tmp_path, capsys):
    options = ["--voices", "kokoro", "--voices_dir", voices_dir, "--sets", "read"]
    options += ["--speech_dir", tmp_path / "speech"]
    first = _make(tmp_path / "first", *options)
    assert "26 utterances said" in capsys.readouterr().out
    again = _make(tmp_path / "second", *options)
    assert "0 utterances said" in capsys.readouterr().out
    for one, other in zip(first.wav_scp.values(), again.wav_scp.values(), strict=True):
        assert Path(one).read_bytes() == Path(other).read_bytes()
    _make(tmp_path / "third", *options, "--train_utts", "10")
    assert "2 utterances said" in capsys.readouterr().out


def test_absolute_paths_on_request(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--preset", "tiny", "--sets", "read", "--train-utts", "2", "--nj", "1"]
    assert prepare_corpus.main([*options, "--output-dir", "made", "--absolute-paths"]) == 0
    for name in ("train", "dev", "read"):
        data = DataDir.load(tmp_path / "made" / name)
        assert all(path.startswith(f"{tmp_path}/made/wav/") for path in data.wav_scp.values())
        assert data.sorts_by_speaker


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--preset", "huge"], "preset must be one of tiny"),
        (["--sets", "news"], "got news"),
        (["--train_utts", "0"], "train_utts must be at least 1"),
        (["--nj", "0", "--preset", "tiny", "--sets", "read"], "number of jobs must be at least 1"),
        (["--corpus", "timit", "--corpus_dir", "."], "got 'timit'"),
        (["--corpus", "aishell"], "needs --corpus_dir"),
        (["--corpus", "aishell", "--corpus_dir", "/nowhere"], "no directory /nowhere"),
        (["--voices", "kokoro"], "needs --voices_dir; `speechmoe fetch_voices"),
        (["--voices_dir", "/nowhere"], "not used by --voices espeak"),
        (["--voices", "mixed", "--voices_dir", "/nowhere"], "/nowhere must hold one model"),
        (["--corpus_dir", "/nowhere"], "not used by the synthetic corpus"),
    ],
)
def test_mistakes_are_one_line(options, message, tmp_path, capsys):
    assert prepare_corpus.main([*options, "--output_dir", str(tmp_path / "out")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
