"""Searches compared on an experiment: same utterances, same texts as alone, named mistakes."""

import argparse

import kaldiio
import numpy as np
import pytest
import torch
import yaml
from models import TOKENS, build, training_args

from benchmarks import decode, decode_trained
from benchmarks.decode_systems import Espnet, InMemory, Pipeline
from speechmoe_espnet.decode.search.factory import Found
from speechmoe_espnet.decode.search.greedy import ctc_greedy_search
from speechmoe_espnet.decode.unit_text import UnitText
from speechmoe_espnet.inference.utterances import list_features

LENGTHS = {"u1": 60, "u2": 44, "u3": 70, "u4": 52}
ARPA = """\\data\\
ngram 1=4

\\1-grams:
-99\t<s>
-1.0\t</s>
-0.5\t一
-0.7\t二

\\end\\
"""


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    directory = tmp_path_factory.mktemp("exp")
    model = build("speechmoe_conformer")
    torch.nn.init.normal_(model.ctc.ctc_lo.weight, std=3.0)
    torch.save(model.state_dict(), directory / "valid.loss.ave.pth")
    args = vars(training_args("speechmoe_conformer", token_type="char"))
    (directory / "config.yaml").write_text(yaml.safe_dump(args, allow_unicode=True))
    return directory


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("dump") / "dev"
    directory.mkdir()
    generator = np.random.default_rng(0)
    feats = {
        name: generator.standard_normal((length, 40), dtype=np.float32)
        for name, length in LENGTHS.items()
    }
    kaldiio.save_ark(str(directory / "f.ark"), feats, scp=str(directory / "feats.scp"))
    (directory / "text").write_text("".join(f"{name} 一二三\n" for name in LENGTHS))
    return directory


def run(experiment, data_dir, *options, quick=True):
    parser = argparse.ArgumentParser()
    decode.add_arguments(parser)
    words = ["--model_dir", str(experiment)]
    words += ["--data_dir", str(data_dir)] if data_dir else []
    args = parser.parse_args([*words, *options])
    args.rounds, args.quick, args.num_threads = 1, quick, 1
    return decode.run(args)


def test_rows_of_a_comparison(experiment, data_dir, tmp_path):
    (tmp_path / "lm.arpa").write_text(ARPA, encoding="utf-8")
    rows = run(experiment, data_dir, "--arpa", str(tmp_path / "lm.arpa"), "--num_utts", "3")
    assert {row.case for row in rows} == {f"{experiment.name} on dev: 3 utts, 2 s"}
    systems = ["greedy", "prefix beam 10", "prefix beam 10 + n-gram", "ESPnet, beam 10"]
    times = [row for row in rows if row.measure == "features to text"]
    assert [row.system for row in times] == systems
    assert [row.bar for row in times] == [0.05, 0.1, None, None]
    by_name = {row.system: row for row in times}
    espnet = by_name["ESPnet, beam 10"]
    for row in (row for row in rows if row.measure == "speed against ESPnet"):
        expected = espnet.value.median / by_name[row.system].value.median
        assert row.value.median == pytest.approx(expected)
        assert by_name[row.system].ratio.median == pytest.approx(1 / expected)
    errors = [row for row in rows if row.measure == "CER"]
    assert [row.system for row in errors] == systems
    assert errors[-1].ratio.median == 1.0
    assert errors[-1].bar is None


def test_error_rates_are_those_of_the_texts(experiment, data_dir, monkeypatch):
    monkeypatch.setattr(
        Pipeline, "recognize", lambda self, batches, search: dict.fromkeys(LENGTHS, "一二二")
    )
    monkeypatch.setattr(Espnet, "recognize", lambda *_: dict.fromkeys(LENGTHS, "三"))
    rows = {row.system: row for row in run(experiment, data_dir) if row.measure == "CER"}
    assert rows["greedy"].value.median == pytest.approx(100 / 3)
    assert rows["greedy"].ratio.median == pytest.approx(0.5)
    assert rows["greedy"].reached is True
    assert rows["ESPnet, beam 10"].value.median == pytest.approx(200 / 3)


def test_repeats_and_batches_change_no_text(experiment, data_dir):
    utterances = [InMemory.read(utterance) for utterance in list_features(data_dir)]
    text = UnitText(TOKENS, "char")
    pipeline = Pipeline(build("speechmoe_conformer").eval(), text)
    pipeline.model.load_state_dict(torch.load(experiment / "valid.loss.ave.pth"))

    def greedy(encoded):
        return [Found([hyp]) for hyp in ctc_greedy_search(encoded.log_probs, encoded.lengths)]

    espnet = Espnet(experiment, "valid.loss.ave.pth", text, 2)
    ours, theirs = pipeline.recognize([utterances], greedy), espnet.recognize(utterances, 1)
    assert set(ours) == set(theirs) == set(LENGTHS)
    assert all(ours.values())
    assert pipeline.recognize([[utterance] for utterance in utterances], greedy) == ours
    assert espnet.recognize(utterances, 3) == theirs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--num_utts", "0"], "--num_utts must be at least 1, got 0"),
        (["--model_file", "none.pth"], "none.pth; --model_dir must be a finished training"),
    ],
)
def test_mistakes_are_named(experiment, data_dir, options, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        run(experiment, data_dir, *options)


def test_a_model_is_measured_on_a_data_directory(experiment):
    with pytest.raises(ValueError, match="--data_dir: missing"):
        run(experiment, None)


def test_syllable_models_need_references_in_units(experiment, data_dir):
    args = argparse.Namespace(ref_dir=None)
    with pytest.raises(ValueError, match="--ref_dir: missing; the model writes units"):
        decode_trained._unit_metric(args, {"token_type": "word"})
    args.ref_dir = data_dir
    assert decode_trained._unit_metric(args, {"token_type": "word"}) == "ser"


def test_an_utterance_without_reference_is_an_error(experiment, data_dir, tmp_path):
    (tmp_path / "text").write_text("u1 一\nu2 二\n")
    with pytest.raises(ValueError, match="u3"):
        run(experiment, data_dir, "--ref_dir", str(tmp_path))
