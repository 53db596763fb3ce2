"""All stages on a folder of one's own: before and after in one table."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from conftest import tiny_run
from project import OPTIONS, Project, check_score
from test_own_folder import NEW, own_folder, start_options

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


def test_the_n_gram_of_a_packed_model_takes_the_words_of_the_folder(
    tiny_run: Project, tmp_path: Path
) -> None:
    mix = tiny_run.recipe_dir()
    narrow = ("--decode-config", "conf/decode_wfst_narrow.yaml", "--eval-sets", "read")
    tiny_run.run_recipe(*OPTIONS, *narrow, "--stage", "9", "--stop-stage", "13")
    (archive,) = (mix / "exp/synthetic_tiny/tiny/pack").glob("*.zip")
    words = list(start_options(tiny_run, own_folder(tiny_run, tmp_path / "mine")))
    words[words.index("--init-model") + 1] = archive
    words += ["--corpus-name", "packed", "--stop-stage", "13"]
    output = tiny_run.run_recipe(*words, name="voice")
    recipe = tiny_run.recipe_dir("voice")
    assert "stage 7" in output
    assert "stage 8" not in output
    exp = recipe / "exp/packed"
    (after,) = (exp / "finetune_tiny").glob("decode_of_model_*")
    for decoded in (exp / "start_tiny/decode_of_model/test", after / "test"):
        dump = recipe / "dump/packed/test/text"
        check_score(decoded / "score", dump, decoded / "text")
    (before,) = (exp / "start_tiny/graph").glob("lexicon.txt")
    (lexicon,) = (recipe / "lang/packed").glob("graph_*/lexicon.txt")
    assert NEW not in before.read_text("utf-8")
    assert f"{NEW} " in lexicon.read_text("utf-8").replace("\t", " ")
    results = json.loads((exp / "finetune_tiny/report/results.json").read_text())
    assert results["metric"] == "cer"
    assert results["systems"]["before"]["steps"] == 0, "a packed model has no record of training"
    assert list((exp / "finetune_tiny/pack").glob("*/graph/lm.arpa.gz"))
    assert "making" not in tiny_run.run_recipe(*words, name="voice")
