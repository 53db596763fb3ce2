"""Every command with all kinds of bad files for each file that it reads."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from test_bad_files import CALLS, KINDS, place, wrong

__all__ = ["place"]


@pytest.mark.parametrize("name", sorted(CALLS))
def test_no_traceback(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    found = [wrong(name, file, kind) for file in CALLS[name].files for kind in KINDS]
    assert not list(filter(None, found))
