import json
import os
import subprocess
import sys

import cluster_work
import pytest
import torch
from local_cluster import MortalWorkers, Suspects

from speechmoe_espnet.bin import rescore
from speechmoe_espnet.data.table import read_table
from speechmoe_espnet.decode.resources import Resources
from speechmoe_espnet.lm.neural import CharacterPerplexity, NeuralLM
from speechmoe_espnet.pipeline.pool import ProcessPool

LOGP = {"今天天启": -20.0, "今天天气": -4.0, "好": -2.0, "": -1.0}


class FakeLM:
    """Fake NeuralLM with simple scores."""

    def score(self, texts):
        return [LOGP[text] for text in texts]

    def perplexity(self, texts):
        return CharacterPerplexity(12.5, sum(map(len, texts)), 1, len(texts))


def hyp(text, units, acoustic, lm, words):
    return {
        "text": text,
        "score": acoustic + lm,
        "acoustic_score": acoustic,
        "lm_score": lm,
        "acoustic_logp": 2 * acoustic,
        "lm_logp": lm,
        "num_units": words,
        "words": [text],
        "word_times": [[0.1, 0.1 + words]],
        "units": units,
    }


@pytest.fixture
def tree(tmp_path, monkeypatch):
    asked = {}

    def from_experiment(lm_dir, model_file, **options):
        asked.update(lm_dir=lm_dir, model_file=model_file, **options)
        return FakeLM()

    monkeypatch.setattr(NeuralLM, "from_experiment", from_experiment)
    lists = {
        "a": [hyp("今天天启", "qi3", -1.0, -2.0, 3), hyp("今天天气", "qi4", -2.0, -3.0, 2)],
        "b": [hyp("好", "hao3", -1.0, -1.0, 1), hyp("", "", -9.0, 0.0, 0)],
    }
    for name in ("dev", "read"):
        folder = tmp_path / "decode" / name
        (folder / "score").mkdir(parents=True)
        lines = [json.dumps({"utt": utt, "hyps": hyps}) + "\n" for utt, hyps in lists.items()]
        (folder / "nbest.jsonl").write_text("".join(lines))
        (folder / "text").write_text("a 今天天启\nb 好\n")
        (folder / "units").write_text("a qi3\nb hao3\n")
        (folder / "rtf.json").write_text(
            '{"seconds_audio": 10.0, "seconds_decode": 2.0, "rtf": 0.2, "num_utts": 2}'
        )
        (folder / "ctm").write_text("")
        (folder / "lattice.ark.txt").write_text("")
        (folder / "routing.json").write_text("{}")
        (folder / "score/cer.json").write_text("{}")
    (tmp_path / "decode/model.json").write_text('{"size": 1}')
    (tmp_path / "decode/.done.json").write_text("{}")
    (tmp_path / "dev.txt").write_text("今天\n好\n")
    return tmp_path


def run(tree, *more):
    words = ["--decode-dir", tree / "decode", "--lm_dir", "lm", "--output_dir", tree / "out"]
    return rescore.main([str(word) for word in [*words, "--sets", "dev", "read", *more]])


def test_rescored_lists_have_the_layout_of_decoding(tree, capsys):
    assert run(tree, "--nn_lm_weight", "0.5", "--dev_text", tree / "dev.txt") == 0
    said = capsys.readouterr()
    assert (
        "perplexity 12.50 per character (3 characters, 1 of them unknown, 2 sentences)" in said.out
    )
    assert "rescored read: 2 utterances, 4 hypotheses" in said.err
    assert "the best one changed in 1 utterances" in said.err
    files = {str(path.relative_to(tree / "out")) for path in (tree / "out").rglob("*.*")}
    assert files == {"model.json", "rescoring.json"} | {
        f"{name}/{file}"
        for name in ("dev", "read")
        for file in ("nbest.jsonl", "rtf.json", "routing.json")
    }
    assert read_table(tree / "out/read/text") == {"a": "今天天气", "b": "好"}
    assert read_table(tree / "out/read/units") == {"a": "qi4", "b": "hao3"}
    ctm = (tree / "out/read/ctm").read_text()
    assert ctm == "a 1 0.100 2.000 今天天气\nb 1 0.100 1.000 好\n"
    first = json.loads((tree / "out/read/nbest.jsonl").read_text().splitlines()[0])
    assert first["utt"] == "a"
    best = first["hyps"][0]
    assert (best["score"], best["nn_lm_score"], best["nn_lm_logp"]) == (-7.0, -2.0, -4.0)
    rtf = json.loads((tree / "out/read/rtf.json").read_text())
    assert rtf["seconds_rescore"] > 0
    assert rtf["seconds_decode"] == pytest.approx(2.0 + rtf["seconds_rescore"])
    assert rtf["rtf"] == pytest.approx(rtf["seconds_decode"] / 10)
    summary = json.loads((tree / "out/rescoring.json").read_text())
    assert (summary["nn_lm_weight"], summary["lm_weight"]) == (0.5, None)
    assert summary["tuned"] == {}
    assert summary["dev"]["perplexity"] == 12.5


def test_real_time_factor_says_what_decoding_and_rescoring_were_measured_with(tree):
    decoding = {"num_processes": 2, "num_threads": 3, "device": "CPU", "machine": "mine"}
    path = tree / "decode/read/rtf.json"
    path.write_text(json.dumps({"seconds_audio": 10.0, "seconds_decode": 2.0, **decoding}))
    assert run(tree, "--nn_lm_weight", "0.5") == 0
    rtf = json.loads((tree / "out/read/rtf.json").read_text())
    assert decoding.items() <= rtf.items()
    rescoring = rtf["rescored_with"]
    assert rescoring["machine"]
    assert (rescoring["num_processes"], rescoring["device"]) == (1, "CPU")
    assert rescoring["num_threads"] == torch.get_num_threads()
    rescoring["num_threads"] = 1
    assert Resources.words_of(rtf) == "2 x 3 CPU threads, rescoring 1 CPU thread"
    plain = json.loads((tree / "out/dev/rtf.json").read_text())
    assert Resources.words_of(plain) is None  # decoding itself was not recorded


def test_threads_of_rescoring_are_those_of_the_environment():
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "from speechmoe_espnet.bin.rescore import torch as t\nprint(t.get_num_threads())",
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "1"


def test_weights_of_a_tuning_weigh_the_raw_scores(tree):
    tuned = {"nn_lm_weight": 0.0, "lm_weight": 0.5, "insertion_bonus": 4.0}
    (tree / "tuning.json").write_text(json.dumps(tuned))
    assert run(tree, "--tuning", tree / "tuning.json") == 0
    first = json.loads((tree / "out/dev/nbest.jsonl").read_text().splitlines()[0])["hyps"][0]
    assert (first["text"], first["acoustic_score"], first["lm_score"]) == ("今天天启", -2.0, 11.0)
    assert json.loads((tree / "out/rescoring.json").read_text())["tuned"] == tuned


@pytest.fixture
def many_texts(monkeypatch):
    """Seven texts with their utterances, blocks of three, and a model that any process has."""
    monkeypatch.setattr(rescore, "TEXTS_A_TASK", 3)
    monkeypatch.setattr(rescore, "score_texts_by", cluster_work.log_probabilities)
    lists = {f"u{length}": [{"text": "好" * length}, {"text": "好"}] for length in range(1, 8)}
    return rescore._first_utterances(lists)


def scored_by(workers, owners):
    args = rescore.get_parser().parse_args(
        ["--decode_dir", "d", "--sets", "s", "--lm_dir", "lm", "--output_dir", "o"]
    )
    return rescore._score_by_workers(args, workers, owners, list(owners))


def test_scores_of_workers_come_in_the_order_of_the_texts(many_texts):
    assert scored_by(ProcessPool(3), many_texts) == [-1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0]


def test_a_killed_worker_changes_no_scores(many_texts, cluster, tmp_path):
    workers = MortalWorkers(cluster, tmp_path / "died")
    assert scored_by(workers, many_texts) == [-1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0]
    assert (tmp_path / "died").exists()


def test_texts_that_kill_workers_are_named_with_an_utterance(many_texts):
    suspects = Suspects()
    scored_by(suspects, many_texts)
    assert [len(names) for names in suspects.names] == [3, 3, 1]
    assert suspects.names[0][0] == "u7, '好好好好好好好'"
    assert suspects.names[-1] == ["u1, '好'"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no weights: give --nn_lm_weight"),
        (["--nn_lm_weight", "1", "--tuning", "t.json"], "leave out --nn_lm_weight"),
        (["--nn_lm_weight", "1", "--insertion_bonus", "1"], "also give lm_weight"),
        (["--tuning", "t.json"], "no file t.json"),
        (["--nn_lm_weight", "1", "--sets", "chat"], "no n-best lists"),
        (["--nn_lm_weight", "1", "--dev_text", "none"], "no file none"),
    ],
)
def test_mistakes(tree, capsys, words, said):
    assert run(tree, *words) == 1
    error = capsys.readouterr().err
    assert error.startswith("rescore: error: ")
    assert said in error
    assert not (tree / "out").exists()


def test_existing_output_is_not_overwritten(tree, capsys):
    (tree / "out/read").mkdir(parents=True)
    assert run(tree, "--nn_lm_weight", "1") == 1
    assert "exists already" in capsys.readouterr().err


def test_units_and_times_are_required(tree, capsys):
    path = tree / "decode/read/nbest.jsonl"
    path.write_text(path.read_text().replace('"units": "qi4"', '"units": null'))
    assert run(tree, "--nn_lm_weight", "1") == 1
    assert "nbest.jsonl: a: hypothesis 2: units must be a string" in capsys.readouterr().err
    path.write_text(path.read_text().replace('"units": null', '"units": "", "words": []'))
    assert run(tree, "--nn_lm_weight", "1") == 1
    assert "hypothesis 2: expected words and word_times of the same" in capsys.readouterr().err
    (tree / "decode/dev/rtf.json").write_text("{}")
    assert run(tree, "--nn_lm_weight", "1", "--sets", "dev") == 1
    assert "rtf.json: expected seconds_decode and seconds_audio" in capsys.readouterr().err
