"""Digests of directories, against the plain way to make them."""

import hashlib
import os
from pathlib import Path

import pytest

from speechmoe_espnet.pipeline import digests


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index in range(200):
        path = tmp_path / f"{index % 3}" / f"{index % 7}" / f"{index}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([index]) * index)
    (tmp_path / "large").write_bytes(bytes(range(256)) * 8192)
    (tmp_path / digests.DONE).write_text("{}")
    (tmp_path / ".x.tmp.7").mkdir()
    (tmp_path / ".x.tmp.7/left").touch()
    return tmp_path


def names(folder: Path) -> list[str]:
    found = [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("left", digests.DONE)
    ]
    assert len(found) == 201
    # Files of a folder come before those of its folders.
    return sorted(
        found, key=lambda name: [(part != Path(name).name, part) for part in Path(name).parts]
    )


def test_content_digest(folder: Path) -> None:
    expected = hashlib.sha256()
    for name in names(folder):
        content = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        expected.update(f"{name}\0{content}\n".encode())
    assert digests.content_digest(folder) == expected.hexdigest()


def test_listing_digest(folder: Path) -> None:
    expected = hashlib.sha256()
    for name in names(folder):
        status = os.stat(folder / name)
        expected.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    assert digests.listing_digest(folder) == (201, expected.hexdigest())
