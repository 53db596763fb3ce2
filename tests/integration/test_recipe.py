"""A tiny recipe: all stages, a second run with nothing to do, killed stages."""

import json
from pathlib import Path

import pytest
from project import (
    OPTIONS,
    STAGES,
    Project,
    check_score,
    contents,
    num_hypotheses,
    snapshot,
    valid_losses,
)

SETS = ("read", "chat", "spon", "aishell2")
EXP = "exp/synthetic/tiny"
DECODE = f"{EXP}/decode_wfst_narrow"
TUNE = f"{EXP}/tune_wfst_narrow"
NGRAM, LEXICON, GRAPH = (
    f"lang/synthetic/{name}5"
    for name in ("ngram_word", "lexicon_syllable_phone", "graph_syllable_phone")
)

TARGETS = {
    1: "data/synthetic",
    2: "dump/synthetic/train",
    3: "units/synthetic/syllable_phone",
    4: "exp/synthetic/stats_syllable_phone",
    5: EXP,
    6: NGRAM,
    7: GRAPH,
    8: f"{TUNE}/nbest",
    9: DECODE,
    11: f"{DECODE}/read/score",
    12: f"{EXP}/report",
}

# By stage: a file that exists in the middle of it, and a file that is written later.
MIDDLES = {
    6: ("lm_pruned.arpa", "vocab"),
    7: ("HLG.fst", "graph.json"),
    8: ("dev/text", "nbest.jsonl"),
    9: ("read/text", "nbest.jsonl"),
    11: ("cer.json", "utts.jsonl"),
    12: ("results.json", "index.html"),
}

# Files without times, of stages after training.
SAME_BYTES = (
    *(f"{NGRAM}/{file}" for file in ("lm_pruned.arpa", "vocab")),
    *(f"{LEXICON}/{file}" for file in ("lexicon.txt", "oov.txt")),
    *(f"{GRAPH}/{file}" for file in ("HLG.fst", "words.txt", "lexicon.txt", "tokens.txt")),
    *(f"{TUNE}/nbest/dev/{file}" for file in ("text", "units")),
    f"{TUNE}/weights/tuning.json",
    *(f"{DECODE}/{name}/{file}" for name in SETS for file in ("text", "units", "score/cer.json")),
    *(f"{DECODE}/{name}/score_ser/cer.json" for name in SETS),
)


def test_recipe_makes_all_outputs(tiny_run: Project) -> None:
    recipe = tiny_run.recipe_dir()
    for name in ("train", "dev", *SETS):
        for file in ("wav.scp", "text", "utt2spk", "spk2utt"):
            assert (recipe / "data/synthetic" / name / file).stat().st_size > 0
        for file in ("feats.scp", "text", "utt2spk", "spk2utt", "utt2num_frames"):
            assert (recipe / "dump/synthetic" / name / file).stat().st_size > 0
    for file in ("config.yaml", "train.log", "train_stats.jsonl", "valid.loss.ave.pth"):
        assert (recipe / EXP / file).exists()
    units = recipe / "units/synthetic/syllable_phone"
    for name in SETS:
        decoded, references = recipe / DECODE / name, recipe / "dump/synthetic" / name / "text"
        check_score(decoded / "score", references, decoded / "text")
        check_score(decoded / "score_ser", units / name / "text", decoded / "units")
        assert (decoded / "routing.json").stat().st_size > 0
    assert sum(num_hypotheses(recipe / DECODE / name) for name in SETS) >= 20  # of 40
    assert (recipe / EXP / "report/index.html").stat().st_size > 0
    report = json.loads((recipe / EXP / "report/results.json").read_text())["systems"]["tiny"]
    assert set(report["sets"]) == set(SETS)
    assert set(report["ser"]) == {*SETS, "total"}
    assert not list(recipe.rglob(".*.tmp.*"))
    assert not list(recipe.rglob(".*.lock"))


def test_words_come_from_the_lexicon_and_weights_from_dev(tiny_run: Project) -> None:
    recipe = tiny_run.recipe_dir()
    tokens = set((recipe / TARGETS[3] / "tokens.txt").read_text().split())
    lexicon = [line.split() for line in (recipe / LEXICON / "lexicon.txt").read_text().splitlines()]
    readings = {(word, tuple(units)) for word, *units in lexicon}
    assert {unit for _, units in readings for unit in units} <= tokens
    for name in SETS:
        for line in (recipe / DECODE / name / "nbest.jsonl").read_text().splitlines():
            hyp = json.loads(line)["hyps"][0]
            units = hyp["units"].split()
            starts = {0}
            for word in hyp["words"]:
                starts = {
                    start + len(reading)
                    for start in starts
                    for spelt, reading in readings
                    if spelt == word and tuple(units[start : start + len(reading)]) == reading
                }
            assert len(units) in starts, f"{hyp['words']} are not read {units}"

    tuned = json.loads((recipe / TUNE / "weights/tuning.json").read_text())
    assert tuned["set"] == "dev"
    assert tuned["num_utts"] == len((recipe / "dump/synthetic/dev/text").read_text().splitlines())
    assert tuned["cer"] == min(point["cer"] for point in tuned["grid"]) <= tuned["cer_as_decoded"]
    settings = json.loads((recipe / DECODE / "decode.json").read_text())
    assert settings["tuned"] == {key: tuned[key] for key in ("lm_weight", "insertion_bonus")}
    assert settings["lm_weight"] == tuned["lm_weight"]
    report = json.loads((recipe / EXP / "report/results.json").read_text())["systems"]["tiny"]
    assert report["decoding"]["method"] == "wfst"
    assert report["decoding"]["lm_weight"] == tuned["lm_weight"]


def test_second_run_does_nothing(tiny_run: Project) -> None:
    before = snapshot(tiny_run.recipe_dir())
    output = tiny_run.run_recipe(*OPTIONS, "--nj", "1")
    assert snapshot(tiny_run.recipe_dir()) == before
    assert "making" not in output
    assert output.count("is up to date") == 1 + 6 + 1 + 1 + 1 + 2 + 1 + 2 + 1 + 8 + 1


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
            assert "resuming" in output
        elif stage < 5:
            assert contents(target) == contents(good / TARGETS[stage]), f"stage {stage}"
    for name in ("dev", *SETS):
        assert contents(recipe / "dump/synthetic" / name) == contents(
            good / "dump/synthetic" / name
        )
    assert valid_losses(recipe / EXP) == pytest.approx(valid_losses(good / EXP), rel=1e-6)
    for file in SAME_BYTES:
        assert (recipe / file).read_bytes() == (good / file).read_bytes(), file


def _is_in_the_middle(stage: int, recipe: Path, file: str) -> bool:
    if stage == 5:
        return (recipe / EXP / "checkpoint.pth").exists()
    target = recipe / TARGETS[stage]
    return any(target.parent.glob(f".{target.name}.tmp.*/{file}"))
