"""Damaged files of every kind in what reads them: a result, or one line that names the file."""

from pathlib import Path

import pytest
from foreign import escapes
from formats import FORMATS

from speechmoe_espnet.zoo.find_model import CACHE_VARIABLE

CASES = 60
MANY = 35


def test_every_kind_of_file_is_tried() -> None:
    assert len(FORMATS) >= MANY


@pytest.mark.parametrize("name", FORMATS)
def test_no_foreign_exception(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    folder = tmp_path / "case"
    folder.mkdir()
    found = escapes(FORMATS[name], folder, CASES, seed=0)
    assert not found, "\n".join([f"{len(found)} of {CASES} escaped", *found[:20]])
