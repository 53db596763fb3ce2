"""Packed models and experiments become experiments of a recipe again."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from speechmoe_espnet.bin import unpack
from speechmoe_espnet.decode.config import DecodeConfig
from speechmoe_espnet.espnet.experiment_config import feature_options, load_config
from speechmoe_espnet.zoo.archive import write_zip
from speechmoe_espnet.zoo.packing import Source, pack
from speechmoe_espnet.zoo.unpacking import TrainedModel

MODEL = "valid.loss.ave.pth"
FILES = {
    *("config.yaml", MODEL, "fbank.yaml", "tokens.txt", "feats_stats.npz", "bpe.model"),
    "origin.json",
}


@pytest.fixture(params=["experiment", "folder", "zip"])
def model(request: pytest.FixtureRequest, experiment: Path, packed: Path, tmp_path: Path) -> Path:
    if request.param == "zip":
        write_zip(packed, tmp_path / "My model 1.zip")
        return tmp_path / "My model 1.zip"
    return {"experiment": experiment, "folder": packed}[request.param]


def test_a_model_becomes_an_experiment_of_features(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = TrainedModel.find(model)
    assert found.name == {"trained": "trained", "mine": "mine"}.get(model.name, "My_model_1")
    assert found.token_type == "bpe"
    out = tmp_path / "out"
    assert unpack.main(["--model", str(model), "--output_dir", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == FILES
    moved = tmp_path / "moved"
    shutil.move(out, moved)
    monkeypatch.chdir("/")
    conf = load_config(moved / "config.yaml")
    assert (conf["input_size"], conf["frontend"]) == (40, None)
    assert conf["normalize_conf"]["stats_file"] == str(moved / "feats_stats.npz")
    assert conf["bpemodel"] == str(moved / "bpe.model")
    assert conf["encoder_conf"] == {"moe_conf": {"num_experts": 4}}
    assert "/home/someone" not in (moved / "config.yaml").read_text()
    fbank = feature_options(conf, moved)
    assert fbank is not None
    assert (fbank.num_mel_bins, fbank.low_freq) == (40, 30.0)
    tokens = (moved / "tokens.txt").read_text(encoding="utf-8").split()
    assert tokens == ["<blank>", "<unk>", "exp", "一", "<sos/eos>"]
    assert np.load(moved / "feats_stats.npz")["count"] == 9
    assert torch.load(moved / MODEL).keys() == {"weight"}


def test_what_is_unpacked_packs_to_the_same_model(packed: Path, tmp_path: Path) -> None:
    TrainedModel.find(packed).unpack(tmp_path / "out")
    pack(Source(tmp_path / "out", MODEL), tmp_path / "again")
    for file in packed.rglob("*"):
        if file.is_file():
            assert (tmp_path / "again" / file.relative_to(packed)).read_bytes() == file.read_bytes()


def test_the_graph_goes_along_with_its_search(
    experiment: Path, graph: Path, tmp_path: Path
) -> None:
    (tmp_path / "decode.yaml").write_text("method: wfst\nlm_weight: 0.5\n")
    search = {"graph_dir": graph, "tuning": tmp_path / "tuning.json"}
    names = {"HLG.fst", "words.txt", "decode_of_model.yaml", "tuning.json"}
    for number, more in enumerate(({}, {"decode_config": tmp_path / "decode.yaml"})):
        pack(Source(experiment, MODEL, search=search | more), tmp_path / f"packed{number}")
        found = TrainedModel.find(tmp_path / f"packed{number}")
        out = tmp_path / f"out{number}"
        found.unpack(out)
        assert {path.name for path in (out / "graph").iterdir()} == names
        decoding = DecodeConfig.from_yaml(out / "graph/decode_of_model.yaml")
        assert found.decoding == decoding
        assert decoding.needs_graph
        assert (out / "graph/tuning.json").read_text() == '{"lm_weight": 1}'
    assert TrainedModel.find(experiment).decoding is None


def test_the_record_of_a_training_goes_along(experiment: Path, tmp_path: Path) -> None:
    (experiment / "train_stats.jsonl").write_text("{}\n")
    TrainedModel.find(experiment).unpack(tmp_path / "out")
    assert (tmp_path / "out/train_stats.jsonl").read_text() == "{}\n"


def change(experiment: Path, **values: object) -> None:
    conf = yaml.safe_load((experiment / "config.yaml").read_text())
    (experiment / "config.yaml").write_text(yaml.safe_dump(conf | values, allow_unicode=True))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda exp: (exp / MODEL).unlink(), "has no valid.loss.ave.pth; finish its training"),
        (lambda exp: (exp / MODEL).write_bytes(b"PK"), "not a checkpoint, or damaged"),
        (lambda exp: (exp / "fbank.yaml").unlink(), "nothing says how its features are computed"),
        (lambda exp: change(exp, token_type="phn"), "token_type must be one of char, bpe, word"),
        (lambda exp: change(exp, token_list=["a"]), "tokens must start with <blank>"),
        (lambda exp: shutil.rmtree(exp), "trained: no such folder or zip"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage, said: str
) -> None:
    damage(experiment)
    words = ["--model", str(experiment), "--output_dir", str(tmp_path / "out")]
    assert unpack.main(words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
