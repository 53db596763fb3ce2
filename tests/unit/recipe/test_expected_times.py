"""Expected times: only of what was measured, and in words for people."""

import pytest

from speechmoe_espnet.recipe import expected_times as module
from speechmoe_espnet.recipe.expected_times import expected_times


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MEASURED", {"small": {1: 89.6, 2: 100.0, 5: 12.2}})


def test_stages_are_listed_with_their_times() -> None:
    line = expected_times("synthetic", "small", [1, 2, 5, 6])
    begin, parts = line.split(": ")
    assert begin == f"expected on {module.MACHINE}, where not finished already"
    assert parts == "data 90 s, features 2 min, training 12 s, language model"


@pytest.mark.parametrize(("corpus", "preset"), [("aishell", "small"), ("synthetic", "large")])
def test_nothing_is_said_of_what_was_not_measured(corpus: str, preset: str) -> None:
    assert expected_times(corpus, preset, [1, 2]) == ""
