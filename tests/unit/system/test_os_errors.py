"""A user reads which file the operating system refused and why, not the number of an error."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from speechmoe_espnet.system import cli
from speechmoe_espnet.system.os_errors import in_words

FILE = "file"
MISTAKES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file where a directory is made": (
        lambda folder: (folder / FILE).mkdir(parents=True, exist_ok=True),
        "{}/file: exists and is a file; a directory is needed, name another one",
    ),
    "a file in the middle of a path": (
        lambda folder: (folder / FILE / "b").mkdir(parents=True, exist_ok=True),
        "{}/file/b: a part of this path is a file, not a directory; name another one",
    ),
    "a directory where a file is read": (
        lambda folder: folder.read_bytes(),
        "{}: is a directory; a file is needed",
    ),
    "nothing where a file is read": (
        lambda folder: (folder / "none").read_bytes(),
        "{}/none: No such file or directory",
    ),
    "a name of 300 letters": (
        lambda folder: (folder / ("x" * 300)).write_bytes(b""),
        "{}/" + "x" * 300 + ": the name is too long",
    ),
}


def error_of(call: Callable[[], object]) -> OSError:
    try:
        call()
    except OSError as error:
        return error
    raise AssertionError("no error")


@pytest.mark.parametrize("name", MISTAKES)
def test_file_and_cure_are_told(name: str, tmp_path: Path) -> None:
    mistake, wanted = MISTAKES[name]
    (tmp_path / FILE).write_text("")
    assert cli.said(error_of(lambda: mistake(tmp_path))) == wanted.format(tmp_path)


def test_full_disk() -> None:
    error = error_of(lambda: Path("/dev/full").write_text("x"))
    assert in_words(error) == "no space is left on the disk"


def test_names_of_bytes_and_descriptors() -> None:
    assert in_words(OSError(errno.ENOSPC, "full", b"/a")) == "/a: no space is left on the disk"
    assert in_words(OSError(errno.EISDIR, "dir", 7)) == "7: is a directory; a file is needed"


def test_errors_with_texts_of_their_own_keep_them() -> None:
    assert in_words(OSError("made by hand")) == "made by hand"
    assert in_words(OSError(10**6, os.strerror(10**6))) == os.strerror(10**6)
