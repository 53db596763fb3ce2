"""Recordings in blocks: the samples of the whole, and the same errors."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from sound_files import encode

from speechmoe_espnet.data import audio_blocks as blocks_module
from speechmoe_espnet.data.audio import read_channels
from speechmoe_espnet.data.audio_blocks import audio_blocks, seconds_promised

RATE = 16000
SECONDS = 2.5


def recording(folder: Path, kind: str) -> Path:
    path = folder / f"recording.{kind}"
    if kind in ("wav", "flac", "ogg", "mp3"):
        samples = np.random.default_rng(0).uniform(-0.3, 0.3, (int(SECONDS * RATE), 2))
        soundfile.write(path, samples, RATE)
        return path
    container, codec = {"m4a": ("mp4", "aac"), "webm": ("webm", "libopus")}[kind]
    return encode(path, container, codec, seconds=SECONDS, layout="stereo")


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3", "m4a", "webm"])
def test_blocks_are_the_whole(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = recording(tmp_path, kind)
    whole, rate = read_channels(path)
    monkeypatch.setattr(blocks_module, "_BLOCK", 1000)
    parts = list(audio_blocks(path))
    assert len(parts) > 1
    assert {found for _, found in parts} == {rate}
    assert {samples.dtype for samples, _ in parts} == {whole.dtype}
    joined = np.concatenate([samples for samples, _ in parts])
    np.testing.assert_allclose(joined, whole, atol=1e-6)
    assert seconds_promised(path) == pytest.approx(SECONDS, abs=0.1)


def test_a_cut_file_is_an_error_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 4 * RATE), RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    parts = audio_blocks(path)
    with pytest.raises(ValueError, match=r"cut|cannot be read"):
        list(parts)


@pytest.mark.parametrize(
    ("samples", "said"), [([0.1, np.nan, 0.1], "not finite"), ([], "is empty")]
)
def test_what_cannot_be_used_is_one_line(samples: list, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.wav"
    soundfile.write(path, np.array(samples, np.float32), RATE, subtype="FLOAT")
    with pytest.raises(ValueError, match=said):
        list(audio_blocks(path))


def test_the_length_of_what_is_no_audio_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "letter.wav"
    path.write_text("Dear reader")
    assert seconds_promised(path) == 0
    assert seconds_promised(tmp_path / "missing.wav") == 0
