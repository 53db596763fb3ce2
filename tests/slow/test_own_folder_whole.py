"""All stages on a folder of one's own: before and after in one table."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from conftest import tiny_run
from project import OPTIONS, Project, check_score
from test_own_folder import own_folder, start_options

__all__ = ["tiny_run"]


@pytest.mark.parametrize("search", ["ctc_greedy", "wfst_narrow"])
def test_before_and_after(tiny_run: Project, tmp_path: Path, search: str) -> None:
    folder = own_folder(tiny_run, tmp_path / "mine")
    words = (*start_options(tiny_run, folder), "--corpus-name", search)
    words = (*words, "--decode-config", f"conf/decode_{search}.yaml")
    if search == "wfst_narrow":
        # Six sentences have no n-grams of order 5 that pruning leaves.
        words = (*words, "--tune-config", "conf/decode_wfst_narrow_nbest.yaml", "--lm-order", "2")
    output = tiny_run.run_recipe(*words, name="voice")
    recipe = tiny_run.recipe_dir("voice")
    exp = recipe / "exp" / search
    for name in ("start_tiny", "finetune_tiny"):
        decoded = exp / name / f"decode_{search}/test"
        if (decoded / "score_ser").exists():
            check_score(decoded / "score", recipe / f"dump/{search}/test/text", decoded / "text")
    results = json.loads((exp / "finetune_tiny/report/results.json").read_text())
    assert list(results["systems"]) == ["before", "finetune_tiny"]
    assert results["systems"]["before"]["cer_interval"]["test"]
    assert "finetune_tiny against before: errors saved" in output
    assert "making" not in tiny_run.run_recipe(*words, name="voice")


def test_the_graph_of_a_packed_model_searches_before_and_after(
    tiny_run: Project, tmp_path: Path
) -> None:
    mix = tiny_run.recipe_dir()
    narrow = ("--decode-config", "conf/decode_wfst_narrow.yaml", "--eval-sets", "read")
    tiny_run.run_recipe(*OPTIONS, *narrow, "--stage", "9", "--stop-stage", "13")
    (archive,) = (mix / "exp/synthetic_tiny/tiny/pack").glob("*.zip")
    words = list(start_options(tiny_run, own_folder(tiny_run, tmp_path / "mine")))
    words[words.index("--init-model") + 1] = archive
    output = tiny_run.run_recipe(*words, "--corpus-name", "packed", name="voice")
    exp = tiny_run.recipe_dir("voice") / "exp/packed"
    assert "stage 7" not in output
    for name in ("start_tiny", "finetune_tiny"):
        decoded = exp / name / "decode_of_model/test"
        dump = tiny_run.recipe_dir("voice") / "dump/packed/test/text"
        check_score(decoded / "score", dump, decoded / "text")
    results = json.loads((exp / "finetune_tiny/report/results.json").read_text())
    assert results["metric"] == "cer"
    assert results["systems"]["before"]["steps"] == 0, "a packed model has no record of training"
    assert "making" not in tiny_run.run_recipe(*words, "--corpus-name", "packed", name="voice")
