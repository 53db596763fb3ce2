"""Every command with every kind of bad file for each file that it reads: one message, no traceback.

Commands run in this process. The default set draws some kinds for each file, the slow set takes
all of them.
"""

import contextlib
import importlib
import io
import pkgutil
import random
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from commands_on_files import CALLS, NO_FILES, OUT, make_place
from damage import LFS, PAGE, folder_in_place, missing, unreadable

from speechmoe_espnet import bin as commands

COMMANDS = sorted(module.name for module in pkgutil.iter_modules(commands.__path__))
CHOSEN = 3
OUTPUTS = (Path(OUT), Path("out.onnx"))


def _content(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def _half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


KINDS: dict[str, Callable[[Path], object]] = {
    "missing": missing,
    "folder": folder_in_place,
    "unreadable": unreadable,
    "pointer of Git LFS": _content(LFS),
    "page": _content(PAGE),
    "noise": _content(b"\xff\xfe\x80" + random.Random(0).randbytes(300)),
    "empty": _content(b""),
    "zeros": _content(bytes(300)),
    "nested": _content(b"[" * 20_000),
    "number": _content(b"1e400\n"),
    "half": _half,
}
ABSENT = ("missing", "folder", "unreadable")
REFUSED = (*ABSENT, "pointer of Git LFS", "page", "noise", "zeros")
"""Kinds that are never valid: a file without lines may be, and half of a text."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    make_place(folder)
    return folder


@contextlib.contextmanager
def in_place(path: Path, kind: str) -> Iterator[None]:
    """Put a bad file in the place of one."""
    content = path.read_bytes()
    try:
        KINDS[kind](path)
        yield
    finally:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        path.unlink(missing_ok=True)
        path.write_bytes(content)


def outcome(name: str) -> tuple[int, str]:
    """Run a command in the current directory; return its status and all that it said."""
    clear_outputs()
    return status_and_words(name)


def clear_outputs() -> None:
    for path in OUTPUTS:
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)


def status_and_words(name: str) -> tuple[int, str]:
    said = io.StringIO()
    main = importlib.import_module(f"{commands.__name__}.{name}").main
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            status = main(CALLS[name].words.split())
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else int(bool(error.code))
        except Exception:
            status = 1
            said.write(traceback.format_exc())
    return int(status or 0), said.getvalue()


def wrong(name: str, file: str, kind: str) -> str | None:
    """Run a command with a bad file; return what is wrong with the outcome."""
    with in_place(Path(file), kind):
        status, said = outcome(name)
    what = f"{name}, {file}, {kind}: status {status}"
    if "Traceback" in said:
        return f"{what}: {said.strip().splitlines()[-1][:200]}"
    if status == 0:
        may_be_absent = kind in ABSENT and file in CALLS[name].optional
        expected = kind in REFUSED and not may_be_absent
        return f"{what}: no message" if expected else None
    if kind == "pointer of Git LFS" and "git lfs pull" not in said:
        return f"{what}: no cure in {said[-300:]!r}"
    named = (Path(file).name, str(Path(file).parent))
    return None if any(word in said for word in named) else f"{what}: no file in {said[-300:]!r}"


def test_every_command_is_tried() -> None:
    assert sorted([*CALLS, *NO_FILES]) == COMMANDS


@pytest.mark.parametrize("name", sorted(CALLS))
def test_no_traceback(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    draw = random.Random(name)
    found = [
        wrong(name, file, kind)
        for file in CALLS[name].files
        for kind in draw.sample(list(KINDS), CHOSEN)
    ]
    assert not list(filter(None, found))


@pytest.mark.parametrize("name", [name for name in sorted(CALLS) if OUT in CALLS[name].words])
def test_output_in_the_place_of_something_else(
    name: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    clear_outputs()
    OUTPUTS[0].write_text("mine\n")
    OUTPUTS[1].mkdir()
    status, said = status_and_words(name)
    assert status == 1
    assert "Traceback" not in said
    assert "Errno" not in said
    last = said.strip().splitlines()[-1]
    assert last.startswith(f"{name}: error: ")
    assert OUT in last
    assert OUTPUTS[0].read_text() == "mine\n"
