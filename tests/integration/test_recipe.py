"""A tiny recipe through all stages; nothing is done twice; killed stages are done again."""

import json
from pathlib import Path

import pytest
from project import OPTIONS, STAGES, Project, contents, snapshot

SETS = ("read", "chat", "spon", "aishell2")
EXP = "exp/synthetic/tiny"
DECODE = f"{EXP}/decode_ctc_greedy"

TARGETS = {
    1: "data/synthetic",
    2: "dump/synthetic/train",
    3: "units/synthetic/char",
    4: "exp/synthetic/stats_char",
    5: EXP,
    6: DECODE,
    7: f"{DECODE}/read/score",
    8: f"{EXP}/report",
}


def test_recipe_makes_what_it_promises(tiny_run: Project) -> None:
    recipe = tiny_run.recipe_dir()
    for name in ("train", "dev", *SETS):
        for file in ("wav.scp", "text", "utt2spk", "spk2utt"):
            assert (recipe / "data/synthetic" / name / file).stat().st_size > 0
        for file in ("feats.scp", "text", "utt2spk", "spk2utt", "utt2num_frames"):
            assert (recipe / "dump/synthetic" / name / file).stat().st_size > 0
    for file in ("config.yaml", "train.log", "train_stats.jsonl", "valid.loss.ave.pth"):
        assert (recipe / EXP / file).exists()
    for name in SETS:
        score = json.loads((recipe / DECODE / name / "score/cer.json").read_text())
        num_utts = len((recipe / "dump/synthetic" / name / "text").read_text().splitlines())
        assert score["num_utts"] == num_utts
    assert (recipe / EXP / "report/index.html").stat().st_size > 0
    assert "tiny" in (recipe / EXP / "report/results.json").read_text()
    assert not list(recipe.rglob(".*.tmp.*"))
    assert not list(recipe.rglob(".*.lock"))


def test_second_run_does_nothing(tiny_run: Project) -> None:
    before = snapshot(tiny_run.recipe_dir())
    output = tiny_run.run_recipe(*OPTIONS, "--nj", "1")
    assert snapshot(tiny_run.recipe_dir()) == before
    assert "making" not in output
    assert output.count("is up to date") == 1 + 6 + 1 + 1 + 1 + 1 + 4 + 1


def test_killed_stages_are_done_again_with_the_same_result(
    tiny_run: Project, empty_project: Project
) -> None:
    good, recipe = tiny_run.recipe_dir(), empty_project.recipe_dir()
    for stage in STAGES:
        target = recipe / TARGETS[stage]
        empty_project.kill_recipe(stage, lambda stage=stage: _is_in_the_middle(stage, recipe))
        assert not (target / ".done.json").exists(), f"stage {stage}"
        if stage != 5:
            assert not target.exists(), f"stage {stage}"
        output = empty_project.run_recipe(
            *OPTIONS, "--stage", str(stage), "--stop-stage", str(stage)
        )
        assert (target / ".done.json").exists(), output
        assert not list(target.parent.glob(".*.tmp.*"))
        if stage == 5:
            assert "taking up" in output
        elif stage < 5:
            assert contents(target) == contents(good / TARGETS[stage]), f"stage {stage}"
    for name in ("dev", *SETS):
        assert contents(recipe / "dump/synthetic" / name) == contents(
            good / "dump/synthetic" / name
        )
    assert _valid_losses(recipe) == pytest.approx(_valid_losses(good), rel=1e-6)
    for name in SETS:
        for file in ("text", "score/cer.json"):
            assert (recipe / DECODE / name / file).read_bytes() == (
                good / DECODE / name / file
            ).read_bytes()


def _is_in_the_middle(stage: int, recipe: Path) -> bool:
    if stage == 5:
        return (recipe / EXP / "checkpoint.pth").exists()
    target = recipe / TARGETS[stage]
    return any(target.parent.glob(f".{target.name}.tmp.*"))


def _valid_losses(recipe: Path) -> list[float]:
    lines = (recipe / EXP / "train_stats.jsonl").read_text().splitlines()
    return [json.loads(line)["valid"]["loss"] for line in lines]
