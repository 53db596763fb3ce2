"""Combined directories: ids, paths, copies, segments."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechmoe_espnet.bin.combine_data import main
from speechmoe_espnet.data.combining import Source, combine
from speechmoe_espnet.data.kaldi_dir import DataDir, Segment


def make(path: Path, ids: list[str], segments: bool = False) -> Path:
    """Write a directory whose paths start at it."""
    path.mkdir()
    soundfile.write(path / "a.wav", np.full(16000, 0.1), 16000)
    text = {name: f"今天{name}" for name in ids}
    spans = {name: Segment("rec", 0.25 * k, -1) for k, name in enumerate(ids)} if segments else None
    wavs = {"rec": "a.wav"} if segments else dict.fromkeys(ids, "a.wav")
    DataDir(path, wavs, text, dict.fromkeys(ids, "who"), spans).write(path)
    return path


def run(out: Path, *sources: str) -> DataDir:
    assert main([*sources, "--output_dir", str(out)]) == 0
    return DataDir.load(out)


def test_ids_begin_with_the_source_and_paths_are_absolute(tmp_path: Path) -> None:
    one, two = make(tmp_path / "one", ["u1", "u2"]), make(tmp_path / "two", ["u1"])
    data = run(tmp_path / "out", f"x={one}", f"y={two}")
    assert data.text == {"x-u1": "今天u1", "x-u2": "今天u2", "y-u1": "今天u1"}
    assert data.utt2spk["y-u1"] == "y-who"
    assert data.wav_scp["x-u1"] == str(one / "a.wav")
    assert data.segments is None
    assert data.sorts_by_speaker


def test_copies_have_ids_of_their_own(tmp_path: Path) -> None:
    one = make(tmp_path / "one", ["who-1", "who-2"])
    data = run(tmp_path / "out", f"x={one}*3")
    assert sorted(data.text) == [f"x{copy}-who-{utt}" for copy in range(3) for utt in (1, 2)]


def test_segments_and_whole_recordings_mix(tmp_path: Path) -> None:
    one, two = make(tmp_path / "one", ["who-1"]), make(tmp_path / "two", ["who-1", "who-2"], True)
    data = run(tmp_path / "out", f"x={one}", f"y={two}")
    assert data.segments == {
        "x-who-1": Segment("x-who-1", 0.0, 1.0),
        "y-who-1": Segment("y-rec", 0.0, 1.0),
        "y-who-2": Segment("y-rec", 0.25, 1.0),
    }


@pytest.mark.parametrize(
    "words", ["dir", "=dir", "a b=dir", "x=", "x=dir*0", "x=dir*-1", "x=dir*b"]
)
def test_what_is_not_a_source(words: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    one = make(tmp_path / "one", ["who-1"])
    words = words.replace("dir", str(one))
    assert main([words, "--output_dir", str(tmp_path / "out")]) != 0
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_ids_that_do_not_sort_by_speaker_begin_with_the_speaker() -> None:
    speakers = {"u1": "b", "u2": "a"}
    data = DataDir(
        Path("d"), dict.fromkeys(speakers, "a.wav"), dict.fromkeys(speakers, "好"), speakers
    )
    combined = combine(Path("out"), [Source("x", data)])
    assert combined.utterances == ("x-a-u2", "x-b-u1")
    assert combined.sorts_by_speaker


def test_one_name_for_two_sources() -> None:
    data = DataDir(Path("d"), {"a": "a.wav"}, {"a": "好"}, {"a": "a"})
    with pytest.raises(ValueError, match="two sources are called x"):
        combine(Path("out"), [Source("x", data), Source("x", data)])
