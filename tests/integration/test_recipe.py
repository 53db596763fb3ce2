"""A tiny recipe through all stages; nothing is done twice; killed stages are done again."""

import json
from pathlib import Path

import pytest
from project import OPTIONS, STAGES, TINY, Project, contents, error_rate, snapshot, valid_losses

SETS = ("read", "chat", "spon", "aishell2")
E_BRANCHFORMER = "tests/integration/conf/train_e_branchformer.yaml"
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

# By stage: a file that is there in the middle, and one that the command gets to write later.
MIDDLES = {
    6: ("read/text", "nbest.jsonl"),
    7: ("cer.json", "utts.jsonl"),
    8: ("results.json", "index.html"),
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
        texts = recipe / "dump/synthetic" / name / "text", recipe / DECODE / name / "text"
        assert score["cer"] == pytest.approx(error_rate(*texts))
        assert _num_hypotheses(recipe / DECODE / name) > num_utts / 2
        assert (recipe / DECODE / name / "routing.json").stat().st_size > 0
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
        middle, pause_at = MIDDLES.get(stage, ("", ""))
        empty_project.kill_recipe(
            stage, lambda stage=stage, file=middle: _is_in_the_middle(stage, recipe, file), pause_at
        )
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
    assert valid_losses(recipe / EXP) == pytest.approx(valid_losses(good / EXP), rel=1e-6)
    for name in SETS:
        assert _num_hypotheses(good / DECODE / name) > 0
        for file in ("text", "score/cer.json"):
            assert (recipe / DECODE / name / file).read_bytes() == (
                good / DECODE / name / file
            ).read_bytes()


@pytest.mark.parametrize(
    ("token_type", "config", "options"),
    [("syllable", E_BRANCHFORMER, ()), ("bpe", TINY, ("--nbpe", "600"))],
)
def test_other_units_from_units_to_report(
    tiny_run: Project, token_type: str, config: str, options: tuple[str, ...]
) -> None:
    recipe = tiny_run.recipe_dir()
    tiny_run.run_recipe(
        *("--preset", "tiny", "--num-threads", "1", "--stage", "3", "--eval-sets", "read"),
        *("--token-type", token_type, "--asr-config", config, "--expname", token_type, *options),
        *("--asr-args", "--max_epoch 1"),
    )
    exp = recipe / "exp/synthetic" / token_type
    decoded = exp / "decode_ctc_greedy/read"
    score = json.loads((decoded / "score/cer.json").read_text())
    assert _num_hypotheses(decoded) > 0
    if token_type == "syllable":
        assert score["metric"] == "ser"
        units = set((recipe / "units/synthetic/syllable/tokens.txt").read_text().split())
        words = (decoded / "text").read_text().splitlines()
        assert {unit for line in words for unit in line.split()[1:]} <= units
        references = recipe / "units/synthetic/syllable/read/text"
        assert score["cer"] == pytest.approx(
            error_rate(references, decoded / "text", separator=None)
        )
        assert not (decoded / "routing.json").exists()
    else:
        assert score["metric"] == "cer"
        references = recipe / "dump/synthetic/read/text"
        assert score["cer"] == pytest.approx(error_rate(references, decoded / "text"))
    report = json.loads((exp / "report/results.json").read_text())
    assert report["systems"][token_type]["sets"]["read"]["cer"] == score["cer"]
    assert report["metric"] == score["metric"]


def _is_in_the_middle(stage: int, recipe: Path, file: str) -> bool:
    if stage == 5:
        return (recipe / EXP / "checkpoint.pth").exists()
    target = recipe / TARGETS[stage]
    return any(target.parent.glob(f".{target.name}.tmp.*/{file}"))


def _num_hypotheses(decoded: Path) -> int:
    lines = (decoded / "text").read_text(encoding="utf-8").splitlines()
    return sum(len(line.split()) > 1 for line in lines)
