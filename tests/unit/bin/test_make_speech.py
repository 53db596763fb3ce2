"""The directory that grows: it goes on where it was, and refuses what does not fit."""

from pathlib import Path

import pytest
import soundfile
from fake_voices import make_voices

from speechmoe_espnet.bin.make_speech import main
from speechmoe_espnet.corpora.synthetic import spoken
from speechmoe_espnet.data.kaldi_dir import read_table, validate_data_dir


@pytest.fixture(scope="module")
def voices_dir(tmp_path_factory) -> Path:
    return make_voices(tmp_path_factory.mktemp("voices") / "kokoro")


@pytest.fixture
def words(voices_dir, tmp_path) -> list[str]:
    lines = [f"大{a}{b}" for a in "一二三四五六七八九十" for b in "天地人山水火木"]
    (tmp_path / "lines.txt").write_text("\n".join(lines), encoding="utf-8")
    options = ["--voices_dir", str(voices_dir), "--texts", str(tmp_path / "lines.txt")]
    return [*options, "--num_speakers", "5", "--output_dir", str(tmp_path / "out")]


def test_more_utterances_add_to_those_there_are(words, tmp_path, capsys):
    assert main([*words, "--num_utts", "3"]) == 0
    first = validate_data_dir(tmp_path / "out")
    assert len(first.text) == 3
    assert main([*words, "--num_utts", "8"]) == 0
    data = validate_data_dir(tmp_path / "out")
    assert len(data.text) == 8
    for name in ("text", "wav_scp", "utt2spk"):
        assert getattr(first, name).items() <= getattr(data, name).items()
    assert len(set(data.utt2spk.values())) == 5
    assert set(read_table(tmp_path / "out/utt2source").values()) == {"lines"}
    assert all(soundfile.info(path).duration > 0.2 for path in data.wav_scp.values())
    assert "8/8 utterances" in capsys.readouterr().out


def test_what_was_killed_goes_on(words, tmp_path, monkeypatch):
    said: list[str] = []
    true_one = spoken._synthesise

    def killed(where, what):
        if len(said) == 2:
            raise KeyboardInterrupt
        said.append(what.phonemes)
        return true_one(where, what)

    monkeypatch.setattr(spoken, "_synthesise", killed)
    with pytest.raises(KeyboardInterrupt):
        main([*words, "--num_utts", "5"])
    assert not (tmp_path / "out/text").exists()

    def other(where, what):
        said.append(what.phonemes)
        return true_one(where, what)

    monkeypatch.setattr(spoken, "_synthesise", other)
    assert main([*words, "--num_utts", "5"]) == 0
    assert len(said) == len(set(said)) == 5


def test_a_process_that_is_behind_takes_nothing_away(words, tmp_path):
    assert main([*words, "--num_utts", "6"]) == 0
    before = (tmp_path / "out/text").read_bytes()
    assert main([*words, "--num_utts", "2"]) == 0
    assert (tmp_path / "out/text").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--num_speakers", "6"], "was begun with other options"),
        (["--seed", "1"], "was begun with other options"),
        (["--styles", "chat"], "was begun with other options"),
        (["--styles", "song"], "sets of the synthetic corpus are"),
        (["--num_utts", "0"], "num_utts must be at least 1, got 0"),
        (["--nj", "0"], "nj must be at least 1, got 0"),
        (["--texts"], "nothing to say"),
        (["--texts", "nowhere.txt"], "no text file nowhere.txt"),
        (["--voices_dir", "nowhere"], "nowhere must hold one model"),
    ],
)
def test_a_mistake_is_one_line(words, changes, message, capsys):
    assert main([*words, "--num_utts", "1"]) == 0
    capsys.readouterr()
    assert main([*words, "--num_utts", "1", *changes]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
