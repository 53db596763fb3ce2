from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechmoe_espnet.data.audio import read_audio, total_seconds
from speechmoe_espnet.data.kaldi_dir import DataDir, Segment

RATE = 16000
RAMP = (np.arange(2 * RATE) / (2 * RATE)).astype(np.float32)


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "a.wav", RAMP, RATE, subtype="FLOAT")
    return tmp_path / "a.wav"


@pytest.mark.parametrize("name", ["a.flac", "a.wav", "a.ogg", "a.aiff"])
def test_formats(tmp_path: Path, name: str) -> None:
    soundfile.write(tmp_path / name, RAMP, RATE)
    samples, rate = read_audio(tmp_path / name)
    assert rate == RATE
    assert samples.dtype == np.float32
    assert np.abs(samples - RAMP).max() < (0.2 if name == "a.ogg" else 1e-4)


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        (0.0, -1.0, 0, 2 * RATE),
        (0.5, 1.25, RATE // 2, 5 * RATE // 4),
        (1.5, -1.0, 3 * RATE // 2, 2 * RATE),
        (1.5, 2.5, 3 * RATE // 2, 2 * RATE),
    ],
)
def test_parts(wav: Path, start: float, end: float, first: int, last: int) -> None:
    samples, _ = read_audio(wav, start, end)
    np.testing.assert_array_equal(samples, RAMP[first:last])


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (2.0, -1.0, r"segment starts at 2.0 s, the recording lasts 2.000 s"),
        (0.0, 2.51, r"segment ends at 2.51 s, the recording lasts 2.000 s"),
        (0.5, 0.50001, r"holds no samples at 16000 Hz"),
    ],
)
def test_parts_outside(wav: Path, start: float, end: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_audio(wav, start, end)


def test_unusable_files(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"no audio")
    with pytest.raises(ValueError, match="cannot be read as audio"):
        read_audio(path)
    soundfile.write(path, np.zeros(0), RATE)
    with pytest.raises(ValueError, match="is empty"):
        read_audio(path)
    soundfile.write(path, np.zeros((100, 2)), RATE)
    with pytest.raises(ValueError, match="has 2 channels, 1 is expected; write each"):
        read_audio(path)
    soundfile.write(path, np.array([0.0, np.nan]), RATE, subtype="FLOAT")
    with pytest.raises(ValueError, match="not finite"):
        read_audio(path)


def test_total_seconds(wav: Path) -> None:
    whole = DataDir(wav.parent, {"a": str(wav)}, {"a": "好"}, {"a": "s"})
    assert total_seconds(whole) == 2.0

    def cut(*segments: Segment) -> DataDir:
        names = {str(number): segment for number, segment in enumerate(segments)}
        return DataDir(
            wav.parent,
            {"a": str(wav)},
            dict.fromkeys(names, "好"),
            dict.fromkeys(names, "s"),
            names,
        )

    assert total_seconds(cut(Segment("a", 0.5, 1.0), Segment("a", 1.0, 2.25))) == 1.5
    assert total_seconds(cut(Segment("a", 0.5, -1.0))) == 1.5
    with pytest.raises(ValueError, match=r"0: segment a 0.5 3.0 lies outside"):
        total_seconds(cut(Segment("a", 0.5, 3.0)))
    wav.write_bytes(b"")
    with pytest.raises(ValueError, match=r"a \(.*a.wav\): cannot be read as audio"):
        total_seconds(whole)
