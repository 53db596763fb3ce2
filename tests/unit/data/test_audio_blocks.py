"""Recordings in blocks: the samples of the whole, and the same errors."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from sound_files import encode

from speechmoe_espnet.data import audio_blocks as blocks_module
from speechmoe_espnet.data.audio import read_channels, read_samples
from speechmoe_espnet.data.audio_blocks import audio_blocks, seconds_promised
from speechmoe_espnet.data.waveform import as_waveform

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


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "CAF", "AU", "W64"])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("fraction", [0.0, 0.25])
def test_floats_in_the_range_of_16_bits_are_scaled_as_in_memory(
    kind: str, subtype: str, fraction: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    values = np.concatenate([np.zeros(2000), [1, -1], np.full(3000, 2473 + fraction)])
    soundfile.write(path, values, RATE, format=kind, subtype=subtype)
    expected = as_waveform(values)
    assert expected.max() < 0.1
    np.testing.assert_array_equal(read_samples(path)[0], expected)
    # Quiet parts have the scale of the whole.
    np.testing.assert_array_equal(read_samples(path, 0, 2002 / RATE)[0], expected[:2002])
    monkeypatch.setattr(blocks_module, "_BLOCK", 500)
    blocks = [samples for samples, _ in audio_blocks(path)]
    np.testing.assert_array_equal(np.concatenate(blocks)[:, 0], expected)
    soundfile.write(path, values * 1e30, RATE, format=kind, subtype=subtype)
    for read in (read_samples, lambda path: list(audio_blocks(path))):
        with pytest.raises(ValueError, match=r"samples go up to 2\.47.*e\+33"):
            read(path)


def test_loud_floats_stay(tmp_path: Path) -> None:
    values = np.array([0.5, -1.7, 2.5, 7.9], np.float32)
    soundfile.write(tmp_path / "a.wav", values, RATE, subtype="FLOAT")
    np.testing.assert_array_equal(read_samples(tmp_path / "a.wav")[0], values)


@pytest.mark.parametrize(
    ("position", "value", "said"),
    [
        (24, bytes(4), "sample rate or a number of channels that cannot be"),
        (24, b"\xff" * 4, "sample rate or a number of channels that cannot be"),
        (20, b"\3\0", "is in a codec that FFmpeg does not know, or its header is damaged"),
        (34, b"\0\0", "is in a codec that FFmpeg does not know, or its header is damaged"),
        (0, b"\xef\xbb\xbfRIFF", "begins with a byte order mark"),
        (36, b"LIST\t\0\0\0INFOabcdedata", "an odd chunk before it lacks its padding byte"),
    ],
)
def test_damaged_headers_are_told_with_the_cure(
    position: int, value: bytes, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.full(1000, 0.1), RATE, subtype="PCM_16")
    content = path.read_bytes()
    replaced = min(4, len(value))
    path.write_bytes(content[:position] + value + content[position + replaced :])
    with pytest.raises(ValueError, match=said):
        read_samples(path)
