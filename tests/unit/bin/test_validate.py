"""`speechmoe validate`: all faults of tables and audio at once, and a clean copy."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechmoe_espnet.bin import validate
from speechmoe_espnet.data.kaldi_dir import DataDir, Segment, validate_data_dir
from speechmoe_espnet.data.table import read_table

RATE = 16000


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:2000])


def streamed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.index(b"data") + 4, 0xFFFFFFFF)
    path.write_bytes(content)


def infinite(path: Path) -> None:
    soundfile.write(path, np.full(RATE, np.inf), RATE, subtype="FLOAT")


# What is done to a recording, and what is said of it; a note begins with "note: ".
AUDIO = {
    "cut": (cut, "is cut: its header promises"),
    "empty": (lambda path: soundfile.write(path, np.zeros(0), RATE), "is empty"),
    "gone": (Path.unlink, "there is no file"),
    "infinite": (infinite, "not finite"),
    "junk": (lambda path: path.write_bytes(b"junk" * 99), "cannot be read as audio"),
    "rate": (lambda path: soundfile.write(path, np.ones(9000) / 9, 44100), "note: rate: "),
    "short": (lambda path: soundfile.write(path, np.ones(300) / 9, RATE), "18.8 ms, too short"),
    "stereo": (lambda path: soundfile.write(path, np.ones((9000, 2)) / 9, RATE), "2 channels"),
    "streamed": (streamed, ""),
}
NOTES = {"rate", "stereo"}
GOOD = {*NOTES, "streamed", "fine"}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    (tmp_path / "wavs").mkdir()
    wavs = {name: tmp_path / "wavs" / f"{name}.wav" for name in ("fine", *AUDIO)}
    for path in wavs.values():
        soundfile.write(path, np.sin(np.arange(RATE)), RATE)
    paths = {name: str(path) for name, path in wavs.items()}
    data = DataDir(tmp_path / "set", paths, dict.fromkeys(paths, "好"), dict.fromkeys(paths, "s"))
    data.write(data.path)
    return data.path


def lines_of(text: str) -> dict[str, str]:
    """Faults by utterance."""
    found = (line.split(": ") for line in text.splitlines())
    return {parts[2] if parts[1] == "note" else parts[1]: ": ".join(parts) for parts in found}


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_audio(data_dir: Path, jobs: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate.main([str(data_dir), "--nj", jobs]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{data_dir}: 10 utterances, 10 recordings, 1 speakers, 0.00 h, 0 faults"
    ]
    for name, (spoil, _) in AUDIO.items():
        spoil(data_dir.parent / "wavs" / f"{name}.wav")
    assert validate.main([str(data_dir), "--nj", jobs]) == 1
    output = capsys.readouterr()
    assert "error: faults in" in output.err
    found = lines_of(output.out)
    for number, (name, (_, said)) in enumerate(AUDIO.items()):
        if said:
            line = sorted(["fine", *AUDIO]).index(name) + 1
            assert found[name].startswith(f"{data_dir}/wav.scp:{line}: "), number
            assert said in found[name]
            assert ("note: " in found[name]) == (name in NOTES)
    assert not {"fine", "streamed"} & found.keys()
    assert "6 faults" in output.out
    assert "2 notes, 4 utterances without a fault" in output.out


def test_a_clean_copy(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, (spoil, _) in AUDIO.items():
        spoil(data_dir.parent / "wavs" / f"{name}.wav")
    text = (data_dir / "text").read_bytes()
    (data_dir / "text").write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
    out = tmp_path / "clean"
    assert validate.main([str(data_dir), "--fix", str(out)]) == 0
    assert f"{out}: 4 utterances; 6 left out, see {out}/left_out" in capsys.readouterr().out
    assert set(validate_data_dir(out).text) == GOOD
    left_out = read_table(out / "left_out")
    assert left_out.keys() == AUDIO.keys() - GOOD
    for name, reason in left_out.items():
        assert AUDIO[name][1] in reason
    assert validate.main([str(out)]) == 0
    assert "0 faults, 2 notes" in capsys.readouterr().out
    assert validate.main([str(data_dir), "--fix", str(out)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert validate.main([str(data_dir), str(out), "--fix", str(tmp_path / "x")]) == 1
    assert "give one directory" in capsys.readouterr().err


def test_segments_and_stale_lengths(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = validate_data_dir(data_dir)
    segments = {"a": Segment("fine", 0.0, 0.5), "b": Segment("fine", 0.5, 3.0)}
    segments |= {"c": Segment("fine", 2.0, 3.0), "d": Segment("fine", 0.5, 0.51)}
    names = dict.fromkeys(segments, "x")
    parts = DataDir(tmp_path / "parts", {"fine": data.wav_scp["fine"]}, names, names, segments)
    parts.write(parts.path)
    (parts.path / "utt2dur").write_text("a 7.0\nb 2.5\n")
    (parts.path / "utt2num_frames").write_text("a 48\n")
    assert validate.main([str(parts.path)]) == 1
    found = lines_of(capsys.readouterr().out)
    assert "segment ends at 3.0 s, the recording lasts 1.000 s" in found["b"]
    assert f"{parts.path}/segments:2: b: " in found["b"]
    assert "segment starts at 2.0 s" in found["c"]
    assert "10.0 ms, too short" in found["d"]
    assert "utt2dur:1: a: says 7.0, the audio has 0.50 s; remove utt2dur" in found["a"]
    (parts.path / "utt2dur").unlink()
    (parts.path / "utt2num_frames").write_text("a 5\n")
    assert validate.main([str(parts.path)]) == 1
    assert "utt2num_frames:1: a: says 5, the audio has 48 frames" in capsys.readouterr().out
    (parts.path / "utt2num_frames").write_text("a x\n")
    assert validate.main([str(parts.path)]) == 1
    assert "says x, the audio has 48 frames" in capsys.readouterr().out


def test_without_audio(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut(data_dir.parent / "wavs" / "cut.wav")
    assert validate.main([str(data_dir), "--no-audio"]) == 0
    assert "10 recordings, 1 speakers, 0 faults" in capsys.readouterr().out
    assert validate.main([str(data_dir / "none")]) == 1
    assert "no data directory" in capsys.readouterr().err
