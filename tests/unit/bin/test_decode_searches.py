"""The decode command with each search: one layout, and results independent of batches."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from decoding import CONFORMER, UNITS, ModelMaker, read_json, run, write_config
from tiny_graph import random_grammar

from speechmoe_espnet.bin import make_graph
from speechmoe_espnet.data.checksums import write_checksums
from speechmoe_espnet.data.lexicon import Lexicon
from speechmoe_espnet.data.table import read_table
from speechmoe_espnet.data.tokens import TokenList
from speechmoe_espnet.decode.graph.directory import FILES
from speechmoe_espnet.lm.arpa import write_arpa

WORDS = ("上下", "中", "人", "他们", "们", "大好", "我", "是", "来")


@pytest.fixture(scope="module")
def graph_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lang")
    Lexicon({word: (tuple(word),) for word in WORDS}).write(folder / "lexicon.txt")
    TokenList(tuple(UNITS)).write(folder / "tokens.txt")
    write_arpa(folder / "lm.arpa", random_grammar(WORDS, 2, np.random.default_rng(0)))
    options = [f"--lexicon={folder / 'lexicon.txt'}", f"--arpa={folder / 'lm.arpa'}"]
    options += [f"--token_list={folder / 'tokens.txt'}", f"--output_dir={folder / 'graph'}"]
    assert make_graph.main(options) == 0
    return folder / "graph"


@pytest.fixture(scope="module")
def arpa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ngram") / "lm.arpa"
    write_arpa(path, random_grammar(UNITS[2:-1], 2, np.random.default_rng(0)))
    return path


def _read_lists(path: Path) -> dict[str, list[dict[str, object]]]:
    lines = map(json.loads, (path / "nbest.jsonl").read_text(encoding="utf-8").splitlines())
    return {line["utt"]: line["hyps"] for line in lines}


def test_wfst_does_not_depend_on_batches_or_processes(
    speechmoe: Path, data_dirs: list[Path], graph_dir: Path, tmp_path: Path
) -> None:
    graph = ("--graph_dir", str(graph_dir))
    for name, batch_frames, more in (("one", 1, ()), ("all", 9999, ()), ("nj", 1, ("--nj", "2"))):
        config = write_config(
            tmp_path / "c.yaml",
            method="wfst",
            batch_frames=batch_frames,
            nbest=4,
            lm_weight=0.7,
            insertion_bonus=0.5,
            acoustic_scale=0.9,
            write_lattices=True,
        )
        assert run(speechmoe, config, data_dirs, tmp_path / name, *graph, *more) == 0
    one, every, jobs = (tmp_path / name / "set_b" for name in ("one", "all", "nj"))
    for file in ("text", "units", "ctm"):
        assert (one / file).read_bytes() == (every / file).read_bytes()
    for file in ("text", "units", "nbest.jsonl", "ctm", "lattice.ark.txt"):
        assert (one / file).read_bytes() == (jobs / file).read_bytes()
    assert read_json(tmp_path / "nj" / "decode.json")["lm_weight"] == 0.7


def test_wfst_writes_words_units_times_and_scores(
    speechmoe: Path, data_dirs: list[Path], graph_dir: Path, tmp_path: Path
) -> None:
    config = write_config(
        tmp_path / "c.yaml", method="wfst", nbest=3, lm_weight=0.7, insertion_bonus=0.5
    )
    assert run(speechmoe, config, data_dirs, tmp_path / "out", "--graph_dir", str(graph_dir)) == 0
    directory = tmp_path / "out" / "set_b"
    text = read_table(directory / "text", allow_empty=True)
    units = read_table(directory / "units", allow_empty=True)
    ctm = [line.split() for line in (directory / "ctm").read_text(encoding="utf-8").splitlines()]
    seconds = {"b1": 2.0, "b2": 0.75, "b3": 1.19}
    for utt, hyps in _read_lists(directory).items():
        assert hyps[0]["text"] == text[utt] == units[utt].replace(" ", "")
        assert [line[4] for line in ctm if line[0] == utt] == hyps[0]["words"]
        scores = [hyp["score"] for hyp in hyps]
        assert scores == sorted(scores, reverse=True)
        for hyp in hyps:
            assert hyp["score"] == pytest.approx(hyp["acoustic_score"] + hyp["lm_score"])
            weighted = hyp["acoustic_logp"] + 0.7 * hyp["lm_logp"] + 0.5 * hyp["num_units"]
            assert hyp["score"] == pytest.approx(weighted)
            assert "".join(hyp["words"]) == hyp["text"]
            assert hyp["num_units"] == len(hyp["units"].split()) == len(hyp["unit_times"])
            times = [time for span in hyp["word_times"] for time in span]
            assert times == sorted(times)
            assert all(0 <= time <= seconds[utt] + 0.01 for time in times)


def test_tuned_weights_replace_those_of_the_configuration(
    speechmoe: Path, data_dirs: list[Path], graph_dir: Path, tmp_path: Path
) -> None:
    config = write_config(tmp_path / "c.yaml", method="wfst", lm_weight=0.7)
    tuning = tmp_path / "tuning.json"
    tuning.write_text(json.dumps({"lm_weight": 0.2, "insertion_bonus": 1.5}), encoding="utf-8")
    more = ("--graph_dir", str(graph_dir), "--tuning", str(tuning))
    assert run(speechmoe, config, data_dirs[:1], tmp_path / "out", *more) == 0
    found = read_json(tmp_path / "out" / "decode.json")
    assert (found["lm_weight"], found["insertion_bonus"]) == (0.2, 1.5)
    assert found["tuned"] == {"lm_weight": 0.2, "insertion_bonus": 1.5}


def test_prefix_beam_with_an_ngram(
    conformer: Path, data_dirs: list[Path], arpa: Path, tmp_path: Path
) -> None:
    config = write_config(
        tmp_path / "c.yaml", method="ctc_prefix_beam", use_ngram=True, lm_weight=0.5, nbest=2
    )
    assert run(conformer, config, data_dirs, tmp_path / "out", "--ngram", str(arpa)) == 0
    for hyps in _read_lists(tmp_path / "out" / "set_b").values():
        for hyp in hyps:
            assert hyp["lm_logp"] < 0
            assert hyp["lm_score"] == pytest.approx(0.5 * hyp["lm_logp"])
            assert math.isclose(hyp["score"], hyp["acoustic_logp"] + hyp["lm_score"])


def test_espnets_joint_search_on_a_hybrid(
    make_model: ModelMaker, data_dirs: list[Path], tmp_path: Path
) -> None:
    hybrid = make_model(
        "hybrid",
        model="espnet",
        input_size=20,
        encoder="conformer",
        encoder_conf=CONFORMER,
        specaug=None,
        decoder="transformer",
        decoder_conf={"attention_heads": 2, "linear_units": 16, "num_blocks": 1},
        model_conf={"ctc_weight": 0.3},
    )
    config = write_config(
        tmp_path / "c.yaml", method="espnet_joint", ctc_weight=0.3, nbest=2, beam_size=3
    )
    assert run(hybrid, config, data_dirs, tmp_path / "out") == 0
    directory = tmp_path / "out" / "set_b"
    assert set(read_table(directory / "text", allow_empty=True)) == {"b1", "b2", "b3"}
    assert all(len(hyps) <= 2 for hyps in _read_lists(directory).values())


@pytest.mark.parametrize(
    ("values", "more", "message"),
    [
        ({"method": "wfst"}, (), "--graph_dir: method wfst needs it"),
        ({"method": "ctc_greedy"}, ("--graph_dir", "{graph}"), "not used by method ctc_greedy"),
        ({"method": "ctc_greedy"}, ("--ngram", "{arpa}"), "not used by method ctc_greedy"),
        (
            {"method": "ctc_prefix_beam", "use_ngram": True},
            (),
            "--ngram: method ctc_prefix_beam with use_ngram: true needs it",
        ),
        ({"method": "wfst"}, ("--graph_dir", "{arpa}"), "must be a finished graph"),
        ({"method": "wfst"}, ("--graph_dir", "{graph}", "--tuning", "none"), "no file none"),
        ({"method": "ctc_greedy"}, ("--tuning", "{tuning}"), "not used by method ctc_greedy"),
    ],
)
def test_options_of_another_method_are_refused(
    speechmoe: Path,
    data_dirs: list[Path],
    graph_dir: Path,
    arpa: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    values: dict[str, object],
    more: tuple[str, ...],
    message: str,
) -> None:
    tuning = tmp_path / "tuning.json"
    tuning.write_text('{"lm_weight": 1, "insertion_bonus": 0}', encoding="utf-8")
    words = [word.format(graph=graph_dir, arpa=arpa, tuning=tuning) for word in more]
    config = write_config(tmp_path / "c.yaml", **values)
    assert run(speechmoe, config, data_dirs, tmp_path / "out", *words) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_graph_of_other_units_is_refused(
    conformer: Path,
    data_dirs: list[Path],
    graph_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = graph_dir.parent / "other"
    other.mkdir()
    for path in graph_dir.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    TokenList((*UNITS[:2], "丁", *UNITS[3:])).write(other / "tokens.txt")
    write_checksums(other, FILES)
    config = write_config(tmp_path / "c.yaml", method="wfst")
    assert run(conformer, config, data_dirs, tmp_path / "out", "--graph_dir", str(other)) == 1
    error = capsys.readouterr().err
    assert "built for another model: token 2 is 上 in the model and 丁 in the graph" in error
    assert not (tmp_path / "out").exists()
