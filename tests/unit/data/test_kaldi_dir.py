import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.data.kaldi_dir import (
    DataDir,
    Segment,
    spk2utt_from,
    validate_data_dir,
)

NAMES = st.text("ab-1好", min_size=1, max_size=4)


@st.composite
def data_dirs(draw: st.DrawFn) -> DataDir:
    names = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    utt2spk = {name: draw(NAMES) for name in names}
    text = dict.fromkeys(names, "你好")
    if draw(st.booleans()):
        return DataDir(Path("x"), {name: f"{name}.wav" for name in names}, text, utt2spk)
    times = st.floats(0, 1e5, allow_nan=False)
    segments = {}
    for name in names:
        start, end = draw(st.lists(times, min_size=2, max_size=2, unique=True).map(sorted))
        segments[name] = Segment("rec", start, draw(st.sampled_from([end, -1.0])))
    return DataDir(Path("x"), {"rec": "rec.flac"}, text, utt2spk, segments)


@given(data_dirs())
def test_speakers_first(data: DataDir) -> None:
    """Ids that begin with the speaker sort by speaker where no speaker's name begins another's."""
    renamed = data.with_speakers_first()
    assert sorted(renamed.text) == sorted(f"{data.utt2spk[name]}-{name}" for name in data.text)
    assert sorted(renamed.utt2spk.values()) == sorted(data.utt2spk.values())
    assert (renamed.segments is None) == (data.segments is None)
    speakers = sorted(set(data.utt2spk.values()))
    if not any(b.startswith(a) for a, b in itertools.pairwise(speakers)):
        assert renamed.sorts_by_speaker


@pytest.mark.parametrize(
    ("utt2spk", "sorts"),
    [
        ({"a1": "a", "b1": "b"}, True),
        ({"1": "b", "2": "a"}, False),
        ({"a-1": "a", "a-2": "a", "b-1": "b"}, True),
        # Bytes count, as in Kaldi's sort of the C locale: `_` comes after digits.
        ({"s1_1": "s1", "s10_1": "s10"}, False),
    ],
)
def test_order_of_speakers(utt2spk: dict[str, str], sorts: bool) -> None:
    data = DataDir(Path("x"), utt2spk, utt2spk, utt2spk)
    assert data.sorts_by_speaker == sorts


def make(path: Path, **files: str) -> Path:
    """A directory with utterances a and b of speaker s; files replaced or omitted (None)."""
    contents = {
        "wav_scp": f"a {path}/a.wav\nb {path}/b.wav\n",
        "text": "a 你好\nb 再见\n",
        "utt2spk": "a s\nb s\n",
        "spk2utt": "s a b\n",
    } | files
    path.mkdir(parents=True)
    for name, content in contents.items():
        (path / name.replace("wav_scp", "wav.scp")).write_text(content, encoding="utf-8")
    for wav in ("a.wav", "b.wav"):
        (path / wav).touch()
    return path


@given(data_dirs())
def test_round_trip(data: DataDir) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data.write(Path(folder) / "set")
        read = DataDir.load(Path(folder) / "set")
        assert (read.wav_scp, read.text, read.utt2spk, read.segments) == (
            data.wav_scp,
            data.text,
            data.utt2spk,
            data.segments,
        )
        assert read.utterances == tuple(sorted(data.text))


@given(st.dictionaries(NAMES, NAMES, min_size=1))
def test_spk2utt_is_the_inverse(utt2spk: dict[str, str]) -> None:
    back = {
        name: speaker for speaker, names in spk2utt_from(utt2spk).items() for name in names.split()
    }
    assert back == utt2spk


def test_valid(tmp_path: Path) -> None:
    assert validate_data_dir(make(tmp_path / "set")).utterances == ("a", "b")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"text": "a 你好\n"}, "utt2spk: has utterances that .*text lacks b"),
        ({"text": "a 你好\nb 好\nc 好\n"}, "utt2spk: lacks utterances that .*text has c"),
        ({"text": "a 你好\na 好\n"}, "text:2: duplicate id a"),
        ({"text": ""}, "no utterances"),
        ({"wav_scp": "a x.wav\n"}, "wav.scp: lacks utterances that .*text has b"),
        ({"wav_scp": "a sph2pipe x |\nb y.wav\n"}, "a: pipes are not supported.*write the command"),
        ({"utt2spk": "a s t\nb s\n"}, "utt2spk: a: expected one speaker, got 's t'"),
        ({"spk2utt": "s a\n"}, "spk2utt: disagrees with utt2spk about speakers s"),
        ({"segments": "a r 0 1\n"}, "segments: lacks utterances that .*text has b"),
        ({"segments": "a a 0 1\nb r 0 1\n"}, "wav.scp: lacks recordings that segments names r"),
        ({"segments": "a a 0 1\nb b 2 1\n"}, "segments: b: end must be later than start"),
        ({"segments": "a a 0 1\nb b nan 1\n"}, "segments: b: times must be finite"),
        ({"segments": "a a 0 1\nb b 0 x\n"}, "segments: b: start and end must be seconds"),
        ({"segments": "a a 0 1\nb b 0\n"}, "segments: b: expected `recording start end`"),
    ],
)
def test_bad_data_is_named(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        validate_data_dir(make(tmp_path / "set", **files))


def test_missing_audio(tmp_path: Path) -> None:
    path = make(tmp_path / "set")
    (path / "b.wav").unlink()
    with pytest.raises(FileNotFoundError, match="audio files do not exist for b"):
        validate_data_dir(path)


def test_missing_directory_or_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no data directory"):
        DataDir.load(tmp_path / "nowhere")
    path = make(tmp_path / "set")
    (path / "utt2spk").unlink()
    with pytest.raises(FileNotFoundError, match=r"no file .*utt2spk"):
        DataDir.load(path)


def test_spk2utt_may_be_missing(tmp_path: Path) -> None:
    path = make(tmp_path / "set")
    (path / "spk2utt").unlink()
    assert DataDir.load(path).utterances == ("a", "b")
