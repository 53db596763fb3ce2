"""Every fault of a data directory is found, and `DataDir.load` agrees about what is one."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmoe_espnet.data.dir_check import check_dir
from speechmoe_espnet.data.faults import Harm
from speechmoe_espnet.data.kaldi_dir import DataDir, Segment, validate_data_dir

RATE = 16000
UTTS = [f"s{number % 2}-u{number}" for number in range(6)]
FILES = ("wav.scp", "text", "utt2spk")
type Lines = list[bytes]


def make(path: Path, *, segments: bool = False) -> Path:
    """A clean directory of six utterances, of one recording each or of two recordings."""
    path.mkdir(parents=True)
    soundfile.write(path / "a.wav", [0.1, -0.1] * RATE, RATE)
    names = sorted(UTTS)
    wavs, parts = dict.fromkeys(names, str(path / "a.wav")), None
    if segments:
        parts = {name: Segment(f"r{i % 2}", i * 0.2, i * 0.2 + 0.3) for i, name in enumerate(names)}
        wavs = dict.fromkeys(["r0", "r1"], str(path / "a.wav"))
    data = DataDir(path, wavs, dict.fromkeys(names, "今天 天气"), {n: n[:2] for n in names}, parts)
    data.write(path)
    return path


def edit(path: Path, name: str, change: Callable[[Lines], Lines]) -> None:
    lines = (path / name).read_bytes().splitlines(keepends=True)
    (path / name).write_bytes(b"".join(change(lines)))


# Name of a fault, and what it does to one line of a file; {} is its number.
EDITS: dict[str, Callable[[Lines, int], Lines]] = {
    "byte order mark": lambda lines, at: [b"\xef\xbb\xbf" + lines[0], *lines[1:]],
    "CR LF": lambda lines, at: [line.replace(b"\n", b"\r\n") for line in lines],
    "not UTF-8": lambda lines, at: [
        *lines[:at],
        (lines[at].split() or [b"x"])[0] + b" \xff\n",
        *lines[at + 1 :],
    ],
    "empty line": lambda lines, at: [*lines[:at], b"\n", *lines[at:]],
    "duplicate id": lambda lines, at: [*lines[: at + 1], lines[at], *lines[at + 1 :]],
    "no value": lambda lines, at: [
        *lines[:at],
        (lines[at].split() or [b"x"])[0] + b"\n",
        *lines[at + 1 :],
    ],
    "not sorted": lambda lines, at: lines[::-1],
    "missing line": lambda lines, at: [*lines[:at], *lines[at + 1 :]],
    "unknown id": lambda lines, at: [*lines, b"zzz x\n"],
    "control character": lambda lines, at: [
        *lines[:at],
        lines[at].strip() + b" \x07\n",
        *lines[at + 1 :],
    ],
}
FORMS = {"byte order mark", "CR LF", "not sorted"}


@settings(max_examples=300)
@given(
    edits=st.lists(
        st.tuples(
            st.sampled_from(list(EDITS)), st.sampled_from([*FILES, "segments"]), st.integers(0, 5)
        ),
        max_size=3,
    ),
    segments=st.booleans(),
)
def test_a_directory_loads_if_it_has_no_fault_and_else_the_rest_does(
    tmp_path_factory: pytest.TempPathFactory, edits, segments: bool
) -> None:
    path = make(tmp_path_factory.mktemp("data") / "set", segments=segments)
    for kind, file, at in edits:
        if (path / file).exists():
            edit(path, file, lambda lines, k=kind, i=at: EDITS[k](lines, min(i, len(lines) - 1)))
    checked = check_dir(path)
    stops = [fault for fault in checked.faults if fault.harm is Harm.STOP]
    loaded = None
    with suppress(ValueError, FileNotFoundError):
        loaded = validate_data_dir(path)
    assert stops or loaded is not None
    if loaded is not None:
        # A control character is a fault that loading does not see.
        assert all(fault.kind == "control character" for fault in stops)
        if not stops:
            assert checked.data == loaded
            assert not checked.left_out
    for fault in checked.faults:
        assert str(fault).startswith(f"{path}/")
        assert ";" in fault.problem, "a cure"
    if checked.data is not None:
        assert not checked.data.text.keys() & checked.left_out.keys()
        clean = path.parent / "clean"
        checked.data.write(clean)
        again = check_dir(clean)
        assert (again.faults, again.left_out) == ((), {})
        assert validate_data_dir(clean).text == checked.data.text


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("kind", EDITS)
def test_each_fault_is_found_at_its_line(tmp_path: Path, kind: str, file: str) -> None:
    path = make(tmp_path / "set")
    edit(path, file, lambda lines: EDITS[kind](lines, 2))
    checked = check_dir(path)
    assert checked.faults
    fault = next((found for found in checked.faults if found.kind == kind), checked.faults[0])
    names = sorted(UTTS)
    if kind in FORMS:
        assert (fault.harm, fault.file) == (Harm.FORM, str(path / file))
        assert fault.line == (2 if kind == "not sorted" else 1)
    elif kind == "missing line":
        assert (fault.name, fault.line) == (names[2], 3)
        assert file in fault.problem
    elif kind == "unknown id":
        assert fault.name == "zzz"
        assert ":7: zzz: " in str(fault)
    else:
        line = 4 if kind == "duplicate id" else 3
        assert (fault.file, fault.line) == (str(path / file), line)
        assert kind == "empty line" or fault.name == names[2]
    kept = set() if checked.data is None else set(checked.data.text)
    lost = {names[2]} if kind in ("not UTF-8", "no value", "control character") else set()
    lost |= {names[2]} if kind == "missing line" else set()
    assert kept == set(names) - (lost if file != "utt2spk" else set())


def test_missing_files(tmp_path: Path) -> None:
    path = make(tmp_path / "set")
    (path / "utt2spk").unlink()
    (path / "spk2utt").unlink()
    checked = check_dir(path)
    assert [fault.kind for fault in checked.faults] == ["missing file"]
    assert "utt2spk" in str(checked.faults[0])
    assert checked.data is not None
    assert checked.data.utt2spk == {name: name for name in UTTS}
    (path / "text").unlink()
    checked = check_dir(path)
    assert [fault.kind for fault in checked.faults] == ["missing file"] * 2
    assert checked.data is None
    with pytest.raises(FileNotFoundError, match="no data directory"):
        check_dir(path / "none")


def test_audio_and_segments(tmp_path: Path) -> None:
    path = make(tmp_path / "set", segments=True)
    edit(path, "segments", lambda lines: [lines[0], b"s0-u2 r0 0.5 0.4\n", *lines[2:]])
    edit(path, "segments", lambda lines: [*lines[:2], b"s0-u4 r9 0.5 0.6\n", *lines[3:]])
    (path / "wav.scp").write_text(f"r0 {path}/a.wav\nr1 {path}/gone.wav\n")
    checked = check_dir(path)
    kinds = {(fault.name, fault.kind, fault.line) for fault in checked.faults}
    assert kinds == {
        ("s0-u2", "no segment", 2),
        ("s0-u4", "no recording", 3),
        ("r1", "no audio file", 2),
    }
    assert checked.data is not None
    assert checked.left_out.keys() == set(UTTS) - set(checked.data.text)
    assert "recording r1: wav.scp: there is no file" in checked.left_out["s1-u1"]
    (path / "wav.scp").write_text("r0 cat a.wav |\nr1 -\n")
    assert [fault.kind for fault in check_dir(path).faults].count("pipe") == 2
