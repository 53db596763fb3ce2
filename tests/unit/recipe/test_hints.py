"""What a missing input of a stage is made by: the first stage whose output is missing."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recipe_words import plan

from speechmoe_espnet.recipe.hints import first_stages


def hint(found: dict[str, object], path: str) -> str:
    prefix = f"--hint={path}="
    hints = found["hints"]
    assert isinstance(hints, list)
    return next(text for text in hints if text.startswith(prefix)).removeprefix(prefix)


@pytest.mark.parametrize("search", ["greedy", "wfst"])
def test_empty_recipe_begins_with_stage_1(tmp_path: Path, search: str) -> None:
    found = plan(tmp_path, recipe_dir=tmp_path, search=search, stage=3)
    for name in ("units", "stats", "exp", "decode_dir", "ngram", "graph"):
        text = hint(found, str(found[name]))
        assert text == "stage 1 comes first: the same command with --stage 1"
    assert hint(found, str(found["data"])).startswith("stage 1 makes it: ")


def test_what_is_there_need_not_be_made_again(tmp_path: Path) -> None:
    found = plan(tmp_path, recipe_dir=tmp_path, search="wfst", stage=3)
    for name in ("data", "units", "ngram"):
        (tmp_path / str(found[name])).mkdir(parents=True)
    for name in ("train", "dev"):
        (tmp_path / str(found["dump"]) / name).mkdir(parents=True)
    (tmp_path / str(found["data"]) / "lm_text").touch()
    found = plan(tmp_path, recipe_dir=tmp_path, search="wfst", stage=3)
    firsts = {name: hint(found, str(found[name]))[6] for name in ("stats", "exp", "graph")}
    assert firsts == {"stats": "4", "exp": "4", "graph": "6"}


@given(st.sets(st.integers(1, 9)), st.integers(1, 9))
def test_no_stage_before_the_first_is_missed(there: set[int], number: int) -> None:
    made_by = {f"of {each}": each for each in range(1, 10)}
    inputs = {each: [f"of {each - 1}", "of nobody"] for each in range(2, 10)}
    firsts = first_stages(made_by, inputs, lambda path: int(path[-1]) in there)
    gap = number
    while gap > 1 and gap - 1 not in there:
        gap -= 1
    assert firsts[number] == gap
