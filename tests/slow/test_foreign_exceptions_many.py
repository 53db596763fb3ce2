"""The damaged files of the unit tests, many more of them."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from foreign import escapes
from formats import FORMATS

from speechmoe_espnet.zoo.find_model import CACHE_VARIABLE

CASES = 100_000
SEEDS = 4
CASES_EACH = -(-CASES // (SEEDS * len(FORMATS)))


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
@pytest.mark.parametrize("name", FORMATS)
def test_no_foreign_exception(
    name: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    folder = tmp_path / "case"
    folder.mkdir()
    found = escapes(FORMATS[name], folder, CASES_EACH, seed)
    assert not found, "\n".join([f"{len(found)} of {CASES_EACH} escaped", *found[:20]])
