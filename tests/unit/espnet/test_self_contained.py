"""Files that a model needs lie in its experiment."""

from argparse import Namespace

import pytest

from speechmoe_espnet.espnet.experiment_config import load_config
from speechmoe_espnet.espnet.self_contained import take_files_in


def arguments(folder):
    (folder / "stats").mkdir()
    for name in ("stats/feats_stats.npz", "bpe.model"):
        (folder / name).write_text(name)
    return Namespace(
        normalize_conf={"stats_file": str(folder / "stats/feats_stats.npz")},
        bpemodel=str(folder / "bpe.model"),
        non_linguistic_symbols=None,
    )


def test_files_are_copied_once_and_named(tmp_path):
    exp, args = tmp_path / "exp", arguments(tmp_path)
    take_files_in(args, exp)
    assert args.normalize_conf["stats_file"] == str(exp / "feats_stats.npz")
    assert args.bpemodel == str(exp / "bpe.model")
    assert (exp / "bpe.model").read_text() == "bpe.model"
    assert {path.name for path in exp.iterdir()} == {"feats_stats.npz", "bpe.model"}
    before = (exp / "bpe.model").stat().st_mtime_ns
    take_files_in(args, exp)  # a training that resumes with the configuration of the experiment
    assert (exp / "bpe.model").stat().st_mtime_ns == before


def test_a_missing_file_is_named(tmp_path):
    args = arguments(tmp_path)
    (tmp_path / "bpe.model").unlink()
    with pytest.raises(ValueError, match=r"bpemodel: there is no file .*bpe\.model"):
        take_files_in(args, tmp_path / "exp")


def test_the_copy_of_a_moved_experiment_comes_first(tmp_path, monkeypatch):
    exp = tmp_path / "recipe/exp/mine"
    exp.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "recipe")
    conf = "normalize_conf: {stats_file: exp/mine/feats_stats.npz}\nbpemodel: /units/bpe.model\n"
    (exp / "config.yaml").write_text(conf)
    for name in ("feats_stats.npz", "bpe.model"):
        (exp / name).write_text(name)
    moved = exp.rename(tmp_path / "moved")
    exp.mkdir()
    (exp / "feats_stats.npz").write_text("that of another training")
    found = load_config(moved / "config.yaml")
    assert found["normalize_conf"]["stats_file"] == str(moved / "feats_stats.npz")
    assert found["bpemodel"] == str(moved / "bpe.model")
