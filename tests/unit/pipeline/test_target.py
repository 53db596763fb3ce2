"""Atomic directories."""

import os
from pathlib import Path

import pytest

from speechmoe_espnet.pipeline.target import copy_target


def finished_target(folder: Path) -> Path:
    """Make a finished target with a directory, a link and the target of another stage."""
    target = folder / "made"
    (target / "images").mkdir(parents=True)
    (target / "images" / "loss.png").write_text("picture")
    (target / "1epoch.pth").write_text("parameters")
    (target / "latest.pth").symlink_to("1epoch.pth")
    (target / "decode_greedy").mkdir()
    for place in (target, target / "decode_greedy"):
        (place / ".done.json").write_text("{}")
    return target


def names_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_copy_has_the_own_files_of_a_target(tmp_path: Path) -> None:
    source, target = finished_target(tmp_path), tmp_path / "copy"
    (tmp_path / ".copy.tmp.1").mkdir()
    (tmp_path / ".copy.tmp.1" / "1epoch.pth").write_text("half")
    copy_target(source, target)
    own = [".done.json", "1epoch.pth", "images", "images/loss.png", "latest.pth"]
    assert names_in(target) == own
    assert os.readlink(target / "latest.pth") == "1epoch.pth"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "made"]
    (source / "1epoch.pth").write_text("others")
    copy_target(source, target)
    assert (target / "1epoch.pth").read_text() == "parameters"


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = finished_target(tmp_path), tmp_path / "copy"
    copied: list[str] = []

    def copy_until_full(source: Path, target: Path, **_: object) -> None:
        if source.name == ".done.json":
            raise OSError("no space left")
        copied.append(source.name)

    monkeypatch.setattr("speechmoe_espnet.pipeline.target.shutil.copy2", copy_until_full)
    with pytest.raises(OSError, match="no space left"):
        copy_target(source, target)
    assert sorted(copied) == ["1epoch.pth", "latest.pth", "loss.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
