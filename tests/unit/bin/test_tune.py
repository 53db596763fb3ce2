import json
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from speechmoe_espnet.bin import tune


def hyp(text, acoustic, lm, num_units, **more):
    return {
        "text": text,
        "acoustic_logp": acoustic,
        "lm_logp": lm,
        "num_units": num_units,
        **more,
    }


LISTS = {
    # Right from lm_weight 0.5 on.
    "a": [hyp("今天天启", -1.0, -6.0, 3), hyp("今天天气", -2.0, -3.0, 2)],
    # Right up to lm_weight 1, without a bonus.
    "b": [hyp("好", -1.0, -5.0, 1), hyp("", -5.0, -1.0, 0)],
    "c": [hyp("北京", -1.0, -1.0, 1)],
}


@pytest.fixture
def tree(tmp_path):
    for name in ("dev", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "data/text").write_text("a 今天，天气\nb 好\nc 北京人\n")
    write(tmp_path, LISTS)
    return tmp_path


def write(tree, lists):
    lines = [json.dumps({"utt": utt, "hyps": hyps}) + "\n" for utt, hyps in lists.items()]
    (tree / "dev/nbest.jsonl").write_text("".join(lines))


def run(tree, *more):
    words = ["--decode_dir", tree / "dev", "--data-dir", tree / "data"]
    words += ["--output_dir", tree / "out", "--lm_weights", "0:2:0.25"]
    return tune.main([str(word) for word in [*words, "--insertion_bonuses=-1:1:0.5", *more]])


def test_best_weights_and_files(tree, capsys):
    assert run(tree) == 0
    found = json.loads((tree / "out/tuning.json").read_text())
    assert (found["lm_weight"], found["insertion_bonus"]) == (0.5, 0.0)
    assert found["cer"] == found["cer_of_best_in_lists"] == pytest.approx(100 * 1 / 8)
    assert found["cer_as_decoded"] == pytest.approx(100 * 2 / 8)
    assert (found["num_utts"], found["num_hyps"], found["num_units"]) == (3, 5, 8)
    assert found["on_edge"] == []
    assert len(found["grid"]) == 9 * 5
    assert {"lm_weight": 0.0, "insertion_bonus": 0.0, "cer": 25.0} in found["grid"]
    said = capsys.readouterr()
    assert "dev: CER 12.50 % at lm_weight 0.5, insertion_bonus 0 (25.00 % as decoded" in said.out
    assert "warning" not in said.err
    assert "CER of dev (%)" in (tree / "out/tuning.svg").read_text()


def test_warns_where_the_grid_ends_too_early(tree, capsys):
    assert run(tree, "--lm_weights", "0:0.25:0.25", "--insertion_bonuses", "0") == 0
    found = json.loads((tree / "out/tuning.json").read_text())
    assert found["on_edge"] == ["lm_weight"]
    assert "the best lm_weight, 0.25, is at the edge of its grid (0 to 0.25)" in (
        capsys.readouterr().err
    )


def test_a_neural_model_is_a_third_weight(tree):
    lists = {
        utt: [{**hyp, "nn_lm_logp": 4 * hyp["lm_logp"]} for hyp in hyps]
        for utt, hyps in LISTS.items()
    }
    write(tree, lists)
    words = ["--nn_lm_weights", "0:1:0.125", "--lm_weights", "0", "--default_nn_lm_weight"]
    assert run(tree, *words, "1") == 0
    assert json.loads((tree / "out/tuning.json").read_text())["nn_lm_weight"] == 0.25
    assert run(tree, *words, "0") == 0
    found = json.loads((tree / "out/tuning.json").read_text())
    assert found["nn_lm_weight"] == 0.125
    assert len(found["grid"]) == 5 * 9
    ElementTree.parse(tree / "out/tuning.svg")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lm_weights", "1:0:1"], "lm_weight: '1:0:1': expected FIRST <= LAST"),
        (["--nn_lm_weights", "0,1"], "a: hypothesis 1: lacks nn_lm_logp"),
        (["--data_dir", "nowhere"], "no file nowhere/text"),
        (["--decode_dir", "nowhere"], "no n-best lists nowhere/nbest.jsonl"),
    ],
)
def test_mistakes(tree, capsys, words, said):
    assert run(tree, *words) == 1
    error = capsys.readouterr().err
    assert error.startswith("tune: error: ")
    assert said in error
    assert not (tree / "out").exists()


def test_sets_must_be_the_same(tree, capsys):
    write(tree, {utt: LISTS[utt] for utt in "ab"})
    assert run(tree) == 1
    assert "nbest.jsonl: lacks utterances that" in capsys.readouterr().err


def test_starts_without_torch():
    code = (
        "import sys, speechmoe_espnet.bin.tune as c; c.get_parser(); print('torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
