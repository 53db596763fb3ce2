"""All stages on a folder of one's own: before and after in one table."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from conftest import tiny_run
from project import Project, check_score
from test_own_folder import own_folder, start_options

__all__ = ["tiny_run"]


@pytest.mark.parametrize("search", ["ctc_greedy", "wfst_narrow"])
def test_before_and_after(tiny_run: Project, tmp_path: Path, search: str) -> None:
    folder = own_folder(tiny_run, tmp_path / "mine")
    words = (*start_options(tiny_run, folder), "--corpus-name", search)
    words = (*words, "--decode-config", f"conf/decode_{search}.yaml")
    if search == "wfst_narrow":
        words = (*words, "--tune-config", "conf/decode_wfst_narrow_nbest.yaml")
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
