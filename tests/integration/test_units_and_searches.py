"""Other units, other searches, and rescoring, on the data of the tiny run."""

import json
from pathlib import Path

import pytest
import torch
from project import (
    CHAR,
    COMMON,
    GREEDY,
    OPTIONS,
    TINY,
    WATCHING,
    WFST,
    Project,
    check_score,
    error_rate,
    num_hypotheses,
    valid_losses,
)

CONF = "tests/integration/conf"
NGRAM_CONFIG = "conf/decode_ctc_prefix_beam_ngram.yaml"
NBEST = f"{CONF}/decode_wfst_nbest.yaml"


def _check_report(exp: Path, metric: str) -> None:
    """Check that the report of one system on `read` shows the score of its hypotheses."""
    (score,) = exp.glob("decode_*/read/score/cer.json")
    report = json.loads((exp / "report/results.json").read_text())
    assert report["metric"] == metric
    assert (
        report["systems"][exp.name]["sets"]["read"]["cer"] == json.loads(score.read_text())["cer"]
    )


def test_units_with_an_espnet_encoder(tiny_run: Project) -> None:
    recipe = tiny_run.recipe_dir()
    config = f"{CONF}/train_e_branchformer.yaml"
    options = ("--stage", "5", "--eval-sets", "read", "--asr-config", config, "--expname", "other")
    tiny_run.run_recipe(*COMMON, *WFST, *GREEDY, *options)
    decoded = recipe / "exp/synthetic_tiny/other/decode_ctc_greedy/read"
    references = recipe / "units/synthetic_tiny/syllable_phone/read/text"
    assert num_hypotheses(decoded) > 0
    tokens = set((recipe / "units/synthetic_tiny/syllable_phone/tokens.txt").read_text().split())
    lines = (decoded / "units").read_text().splitlines()
    assert {unit for line in lines for unit in line.split()[1:]} <= tokens
    score = json.loads((decoded / "score/cer.json").read_text())
    assert score["metric"] == "ser"
    assert abs(score["cer"] - error_rate(references, decoded / "units", separator=None)) < 1e-6
    assert not (decoded / "routing.json").exists()
    _check_report(recipe / "exp/synthetic_tiny/other", "ser")


def test_a_longer_training_goes_on_with_a_shorter_one(char_units: Project) -> None:
    recipe = char_units.recipe_dir()

    def train(name: str, epochs: int, *more: str) -> str:
        length = ("--asr-args", " ".join((f"--max_epoch {epochs} --num_iters_per_epoch 3", *more)))
        options = (*CHAR, "--asr-config", TINY, "--expname", name, *length)
        return char_units.run_recipe(*options, "--stage", "5", "--stop-stage", "5")

    train("longer", 1)
    output = train("longer", 3)
    assert "resuming exp/synthetic_tiny/longer" in output
    train("straight", 3)
    exps = [recipe / "exp/synthetic_tiny" / name for name in ("longer", "straight")]
    losses = [valid_losses(exp) for exp in exps]
    assert len(losses[0]) == 3
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    weights = [torch.load(exp / "valid.loss.ave.pth") for exp in exps]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weight, weights[1][name])
    assert "up to date" in train("longer", 3)

    output = train("longer", 2)
    assert "kept as exp/synthetic_tiny/longer.bak.1" in output
    assert len(valid_losses(exps[0])) == 2
    assert "kept as" in train("longer", 3, "--optim_conf lr=0.001")


def test_threads_reach_training_and_decoding(char_units: Project, tmp_path: Path) -> None:
    noted = tmp_path / "threads"
    options = (*CHAR, "--asr-config", TINY, "--expname", "threads", "--asr-args", "--max_epoch 1")
    char_units.run(
        *(char_units.recipe_dir() / "run.sh", *options, "--num-threads", "2", "--nj", "1"),
        *("--stage", "5", "--stop-stage", "9"),
        env={"PYTHONPATH": str(WATCHING), "SPEECHMOE_TEST_THREADS": str(noted)},
    )
    assert set(noted.read_text().split("\n")) >= {"asr_train\t2", "decode\t2"}
    decoded = char_units.recipe_dir() / "exp/synthetic_tiny/threads/decode_ctc_greedy/read"
    rtf = json.loads((decoded / "rtf.json").read_text())
    assert (rtf["num_processes"], rtf["num_threads"]) == (1, 2)


def test_sentencepiece(tiny_run: Project) -> None:
    recipe = tiny_run.recipe_dir()
    units = ("--token-type", "bpe", "--nbpe", "600", "--eval-sets", "read")
    training = ("--stage", "3", "--asr-config", TINY, "--asr-args", "--max_epoch 1")
    tiny_run.run_recipe(*COMMON, *GREEDY, *units, *training, "--expname", "bpe")
    decoded = recipe / "exp/synthetic_tiny/bpe/decode_ctc_greedy/read"
    assert num_hypotheses(decoded) > 0
    check_score(decoded / "score", recipe / "dump/synthetic_tiny/read/text", decoded / "text")
    _check_report(recipe / "exp/synthetic_tiny/bpe", "cer")


def test_characters_with_an_ngram(char_units: Project) -> None:
    recipe = char_units.recipe_dir()
    training = ("--asr-config", TINY, "--asr-args", "--max_epoch 1", "--expname", "char")
    char_units.run_recipe(*CHAR, "--decode-config", NGRAM_CONFIG, "--stage", "5", *training)
    exp = recipe / "exp/synthetic_tiny/char"
    decoded = exp / "decode_ctc_prefix_beam_ngram"
    check_score(
        decoded / "read/score", recipe / "dump/synthetic_tiny/read/text", decoded / "read/text"
    )
    tuned = json.loads((exp / "tune_ctc_prefix_beam_ngram/weights/tuning.json").read_text())
    settings = json.loads((decoded / "decode.json").read_text())
    assert settings["tuned"] == {key: tuned[key] for key in ("lm_weight", "insertion_bonus")}
    first = json.loads((decoded / "read/nbest.jsonl").read_text().splitlines()[0])["hyps"]
    assert len(first) > 1
    assert any(hyp["lm_logp"] < 0 for hyp in first)
    _check_report(exp, "cer")

    # The graph has other units than the model.
    units = ("--preset", "tiny", *WFST, "--eval-sets", "read", "--stage", "9", "--stop-stage", "9")
    other = ("--model-dir", exp, "--expname", "other_units", "--tune", "false")
    output = char_units.run_recipe(*units, *other, status=1)
    assert "graph_syllable_phone5: built for another model: " in output
    assert "Traceback" not in output
    assert not (recipe / "exp/synthetic_tiny/other_units").exists() or not any(
        (recipe / "exp/synthetic_tiny/other_units").iterdir()
    )


def test_joint_search_of_a_hybrid(char_units: Project) -> None:
    recipe = char_units.recipe_dir()
    training = ("--asr-config", f"{CONF}/train_hybrid.yaml", "--expname", "hybrid")
    search = ("--decode-config", "conf/decode_espnet_joint.yaml")
    output = char_units.run_recipe(*CHAR, *training, *search, "--stage", "5")
    assert "stage 8" not in output
    decoded = recipe / "exp/synthetic_tiny/hybrid/decode_espnet_joint"
    assert json.loads((decoded / "decode.json").read_text())["ctc_weight"] == 0.3
    check_score(
        decoded / "read/score", recipe / "dump/synthetic_tiny/read/text", decoded / "read/text"
    )
    _check_report(recipe / "exp/synthetic_tiny/hybrid", "cer")


def test_rescoring(tiny_run: Project) -> None:
    recipe = tiny_run.recipe_dir()
    options = (*OPTIONS, "--decode-config", NBEST, "--tune-config", NBEST, "--eval-sets", "read")
    lm = ("--rescore", "--lm-config", f"{CONF}/train_lm_tiny.yaml")
    tiny_run.run_recipe(*options, *lm, "--stage", "8", "--stop-stage", "11")
    exp = recipe / "exp/synthetic_tiny/tiny"
    first = exp / "decode_wfst_nbest"
    rescored = exp / "decode_wfst_nbest_rescored_train_lm_tiny"
    check_score(
        rescored / "read/score", recipe / "dump/synthetic_tiny/read/text", rescored / "read/text"
    )
    units = recipe / "units/synthetic_tiny/syllable_phone/read/text"
    check_score(rescored / "read/score_ser", units, rescored / "read/units")
    tuned = json.loads((exp / "tune_wfst_nbest/weights_rescored/tuning.json").read_text())
    used = json.loads((rescored / "rescoring.json").read_text())
    for name in ("lm_weight", "insertion_bonus", "nn_lm_weight"):
        assert used[name] == tuned[name]
    texts = [_texts(folder / "read/nbest.jsonl") for folder in (first, rescored)]
    assert texts[0].keys() == texts[1].keys()
    for utt, hyps in texts[0].items():
        assert sorted(hyps) == sorted(texts[1][utt])
    assert not (first / "read/score").exists()


def _texts(path: Path) -> dict[str, list[str]]:
    records = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {record["utt"]: [hyp["text"] for hyp in record["hyps"]] for record in records}
