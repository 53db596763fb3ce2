"""Real speech through the recipe of read speech: prepared, trained, decoded, scored."""

import json
import os
from pathlib import Path

import pytest
from project import ROOT, TINY, Project

SAMPLE = Path(os.environ.get("SPEECHMOE_TEST_AISHELL", ROOT.parent / "shared/data/aishell1_s0150"))


@pytest.mark.skipif(
    not SAMPLE.is_dir(), reason=f"no AISHELL sample in {SAMPLE}; set SPEECHMOE_TEST_AISHELL"
)
def test_aishell(empty_project: Project) -> None:
    options = ("--corpus", "aishell", "--corpus-dir", SAMPLE, "--asr-config", TINY)
    training = ("--expname", "tiny", "--asr-args", "--max_epoch 1")
    empty_project.run_recipe(*options, *training, "--stop-stage", "7", name="read")
    recipe = empty_project.recipe_dir("read")
    for name in ("train", "dev", "test"):
        assert len((recipe / "dump/aishell" / name / "text").read_text().splitlines()) >= 10
    score = recipe / "exp/aishell/tiny/decode_ctc_greedy/test/score/cer.json"
    assert json.loads(score.read_text())["num_chars"] > 100
