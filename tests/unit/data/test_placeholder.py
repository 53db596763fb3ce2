"""Pointers of Git LFS and pages of web sites in the place of files of every kind."""

from pathlib import Path

import pytest
from damage import LFS, PAGE
from formats import FORMATS, RATE, Format
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.data.audio_check import check_audio
from speechmoe_espnet.data.dir_check import check_dir
from speechmoe_espnet.data.placeholder import placeholder, refuse_placeholder_file
from speechmoe_espnet.espnet.option_files import check_option_files
from speechmoe_espnet.zoo.find_model import CACHE_VARIABLE

OWN_RECORDS = ("marks and locks", "directory of speech", "rooms")
"""Files that no one puts under Git LFS: a run's own, which are made again where they are wrong."""
LISTED = "data directory, validated"
"""All faults are listed there instead of the first raised."""


def told(form: Format, folder: Path, name: str, content: bytes, word: str) -> str | None:
    """Read a format with another file in the place of one; return what is wrong, if anything."""
    path = folder / name
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        form.read(folder)
    except (ValueError, OSError) as error:
        message = str(error)
        named = any(part and part in message for part in (path.name, form.named))
        return None if word in message and named else f"{name}: {message!r}"
    finally:
        path.write_bytes(before)
    return f"{name}: no error"


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in (*OWN_RECORDS, LISTED)])
def test_pointers_and_pages_are_told(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    folder = tmp_path / "case"
    folder.mkdir()
    form = FORMATS[name]
    form.make(folder)
    found = [
        told(form, folder, file, content, word)
        for file in form.files
        for content, word in ((LFS, "git lfs pull"), (PAGE, "page of a web site"))
    ]
    assert not list(filter(None, found))


def test_pointers_are_among_the_faults_of_a_data_directory(tmp_path: Path) -> None:
    FORMATS[LISTED].make(tmp_path)
    for name in ("wav.scp", "segments", "text", "utt2spk", "spk2utt", "a.wav"):
        path = tmp_path / name
        before = path.read_bytes()
        path.write_bytes(LFS)
        checked = check_dir(tmp_path)
        told = [*checked.faults, *check_audio(checked, RATE).faults]
        found = [fault for fault in told if "git lfs pull" in fault.problem]
        assert found, name
        assert all(name in f"{fault.file} {fault.problem}" for fault in found)
        path.write_bytes(before)


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    for content in (b"", b"\0" * 100, b"version 3\n", b"<unk>\n", "version\n".encode("utf-16")):
        assert placeholder(content) == ""
    refuse_placeholder_file(tmp_path)
    refuse_placeholder_file(tmp_path / "missing")


@given(st.text() | st.text(min_size=1, max_size=3).map(lambda text: 5000 * text))
def test_text_that_names_no_file_is_none(text: str) -> None:
    refuse_placeholder_file(text)
    check_option_files(["--encoder_conf", f"{{{text}"])
