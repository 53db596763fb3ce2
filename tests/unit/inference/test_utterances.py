"""Inputs of decoding: which files are read, how batches are made, which mistakes are named."""

from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile

from speechmoe_espnet.inference.utterances import (
    Utterance,
    list_audio,
    list_features,
    make_batches,
)


def write_features(data_dir: Path, features: dict[str, np.ndarray]) -> None:
    data_dir.mkdir(parents=True, exist_ok=True)
    kaldiio.save_ark(str(data_dir / "f.ark"), features, scp=str(data_dir / "feats.scp"))


def test_features_with_and_without_their_lengths(tmp_path: Path) -> None:
    features = {"b": np.ones((5, 3), np.float32), "a": np.zeros((7, 3), np.float32)}
    write_features(tmp_path, features)
    found = list_features(tmp_path)
    assert [(utt.name, utt.num_frames) for utt in found] == [("a", 7), ("b", 5)]
    (tmp_path / "utt2num_frames").write_text("a 7\nb 5\n")
    assert list_features(tmp_path) == found
    np.testing.assert_array_equal(found[1].load(), features["b"])


def test_mistakes_in_features_name_file_and_utterance(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"feats\.scp; extract features first"):
        list_features(tmp_path)
    bad = np.zeros((7, 3), np.float32)
    bad[4, 1] = np.nan
    write_features(tmp_path, {"a": bad, "b": np.zeros((2, 3), np.float32)})
    (tmp_path / "utt2num_frames").write_text("a 7\n")
    with pytest.raises(ValueError, match=r"utt2num_frames: lacks utterances .* b"):
        list_features(tmp_path)
    (tmp_path / "utt2num_frames").write_text("a 7\nb x\n")
    with pytest.raises(ValueError, match="b: expected a number of frames, got 'x'"):
        list_features(tmp_path)
    (tmp_path / "utt2num_frames").unlink()
    with pytest.raises(ValueError, match=r"feats\.scp: a: .*features of frame 4 are not finite"):
        list_features(tmp_path)
    (tmp_path / "feats.scp").write_text(f"a {tmp_path}/none.ark:2\n")
    with pytest.raises(ValueError, match=r"feats\.scp: a: .*none\.ark"):
        list_features(tmp_path)
    (tmp_path / "feats.scp").write_text("a cat x.ark |\n")
    with pytest.raises(ValueError, match="pipes are not supported"):
        list_features(tmp_path)
    (tmp_path / "feats.scp").write_text("")
    with pytest.raises(ValueError, match="no utterances"):
        list_features(tmp_path)


def test_audio_with_and_without_segments(tmp_path: Path) -> None:
    wav = tmp_path / "r.wav"
    soundfile.write(wav, np.arange(16000) / 16000, 16000)
    (tmp_path / "wav.scp").write_text(f"r {wav}\n")
    (whole,) = list_audio(tmp_path, 16000)
    assert (whole.name, whole.seconds, len(whole.load())) == ("r", 1.0, 16000)
    (tmp_path / "segments").write_text("u2 r 0.5 -1\nu1 r 0.25 0.5\n")
    parts = list_audio(tmp_path, 16000)
    assert [(utt.name, utt.seconds, len(utt.load())) for utt in parts] == [
        ("u1", 0.25, 4000),
        ("u2", 0.5, 8000),
    ]
    (tmp_path / "segments").write_text("u1 q 0.25 0.5\n")
    with pytest.raises(ValueError, match="lacks recordings that segments names: q"):
        list_audio(tmp_path, 16000)


def test_recordings_of_other_formats_are_converted_with_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = np.sin(0.02 * np.arange(44100))
    soundfile.write(tmp_path / "a.wav", np.stack([sound, sound], axis=1), 44100)
    soundfile.write(tmp_path / "b.wav", np.sin(0.055125 * np.arange(16000)), 16000)
    (tmp_path / "wav.scp").write_text(f"a {tmp_path}/a.wav\nb {tmp_path}/b.wav\n")
    first, second = list_audio(tmp_path, 16000)
    said = capsys.readouterr().err
    assert "wav.scp: recordings are converted to 16000 Hz and one channel" in said
    assert "1 of 44100 Hz with 2 channels" in said
    assert "16000 Hz with" not in said
    assert first.seconds == second.seconds == 1.0
    np.testing.assert_allclose(first.load()[100:-100], second.load()[100:-100], atol=2e-3)
    (tmp_path / "a.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"wav\.scp: a: .*a\.wav: is cut"):
        list_audio(tmp_path, 16000)


def test_a_stale_number_of_frames_is_an_error(tmp_path: Path) -> None:
    write_features(tmp_path, {"a": np.ones((50, 3), np.float32)})
    (tmp_path / "utt2num_frames").write_text("a 7\n")
    with pytest.raises(ValueError, match=r"feats\.scp: a: .*has 50 frames where utt2num_frames sa"):
        list_features(tmp_path)[0].load()


def test_batches_have_similar_lengths_and_every_utterance_once() -> None:
    lengths = [1, 90, 30, 31, 250, 29, 30]
    utterances = [
        Utterance(str(i), Path("feats.scp"), "x.ark:1", length / 100)
        for i, length in enumerate(lengths)
    ]
    batches = make_batches(utterances, 100)
    found = [[utt.num_frames for utt in batch] for batch in batches]
    assert found == [[250], [90], [31, 30, 30], [29, 1]]
    assert make_batches(utterances[::-1], 100) == batches
