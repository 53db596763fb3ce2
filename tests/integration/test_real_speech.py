"""Real speech in the recipe of read speech, fine-tuned from a model of the mix recipe."""

import os
from pathlib import Path

import pytest
from project import NARROW, ROOT, Project, check_score, valid_losses

SAMPLE = Path(os.environ.get("SPEECHMOE_TEST_AISHELL", ROOT.parent / "shared/data/aishell1_s0150"))
TUNE = "conf/tune_speechmoe.yaml"
# The model of train_tiny.yaml, and two short epochs.
TUNE_ARGS = (
    "--encoder_conf moe_conf.num_experts=4 "
    "--encoder_conf output_size=32 --encoder_conf linear_units=64 "
    "--encoder_conf num_blocks=2 --encoder_conf attention_every=2 --encoder_conf attention_heads=2 "
    "--encoder_conf stack=8 --encoder_conf subsampling=6 "
    "--scheduler_conf max_steps=20 --max_epoch 2 --num_iters_per_epoch 10"
)


@pytest.mark.skipif(
    not SAMPLE.is_dir(), reason=f"no AISHELL sample in {SAMPLE}; set SPEECHMOE_TEST_AISHELL"
)
def test_aishell_from_a_model_of_the_mix_recipe(tiny_run: Project) -> None:
    mix, read = tiny_run.recipe_dir() / "exp/synthetic/tiny", tiny_run.recipe_dir("read")
    tokens = tiny_run.recipe_dir() / "units/synthetic/syllable_phone/tokens.txt"
    corpus = ("--corpus", "aishell", "--corpus-dir", SAMPLE, "--token-list", tokens)
    corpus = (*corpus, "--num-threads", "1", *NARROW)

    tuning = ("--asr-config", TUNE, "--init-param", mix / "valid.loss.ave.pth")
    tiny_run.run_recipe(
        *corpus, *tuning, "--expname", "tuned", "--asr-args", TUNE_ARGS, name="read"
    )
    for name in ("train", "dev", "test"):
        assert len((read / "dump/aishell" / name / "text").read_text().splitlines()) >= 10
    assert (
        read / "units/aishell/syllable_phone_given/tokens.txt"
    ).read_bytes() == tokens.read_bytes()
    exp = read / "exp/aishell/tuned"
    log = (exp / "train.log").read_text()
    assert "init_param: loaded" in log
    assert "init_param: not" not in log
    losses = valid_losses(exp)
    assert len(losses) == 2
    assert losses[1] < losses[0]

    as_it_is = ("--model-dir", mix, "--expname", "as_it_is", "--stage", "6", "--stop-stage", "11")
    output = tiny_run.run_recipe(*corpus, *as_it_is, name="read")
    assert "graph_syllable_phone_given5 is up to date" in output
    texts = set()
    for expname in ("tuned", "as_it_is"):
        decoded = read / "exp/aishell" / expname / "decode_wfst_narrow/test"
        check_score(decoded / "score", read / "dump/aishell/test/text", decoded / "text")
        texts.add((decoded / "text").read_text(encoding="utf-8"))
    assert len(texts) == 2
