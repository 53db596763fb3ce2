"""Packed models: what they hold, that they say nothing of the machine, what is refused."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from speechmoe_espnet.zoo.archive import write_zip
from speechmoe_espnet.zoo.packed_model import PackedModel, inner_path
from speechmoe_espnet.zoo.packing import Source, pack

MODEL = "valid.loss.ave.pth"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_model_of_features_takes_waveforms_when_it_is_packed(packed: Path) -> None:
    files = {"config.yaml", MODEL, "feats_stats.npz", "bpe.model"}
    assert names(packed) == {"meta.yaml", *(f"exp/{name}" for name in files)}
    conf = read(packed / "exp/config.yaml")
    assert conf["input_size"] is None
    assert conf["frontend"] == "kaldi_fbank"
    assert (conf["frontend_conf"]["fs"], conf["frontend_conf"]["low_freq"]) == (16000, 30.0)
    assert "resample" not in conf["frontend_conf"]
    assert conf["normalize_conf"] == {"stats_file": "exp/feats_stats.npz"}
    assert conf["bpemodel"] == "exp/bpe.model"
    assert conf["token_list"][2:4] == ["exp", "一"]


def test_nothing_names_the_machine_that_trained(packed: Path, tmp_path: Path) -> None:
    for path in packed.rglob("*.yaml"):
        text = path.read_text()
        assert "/home/someone" not in text
        assert str(tmp_path) not in text


def test_a_packed_model_is_found_wherever_it_lies(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = tmp_path / "elsewhere/moved"
    moved.parent.mkdir()
    shutil.move(packed, moved)
    shutil.rmtree(tmp_path / "recipe/exp/stats")
    monkeypatch.chdir("/")
    found = PackedModel.load(moved)
    assert found.arguments() == {
        "asr_train_config": moved / "exp/config.yaml",
        "asr_model_file": moved / f"exp/{MODEL}",
    }


def test_the_search_is_packed(experiment: Path, graph: Path, tmp_path: Path) -> None:
    decode = tmp_path / "decode_wfst.yaml"
    decode.write_text("method: wfst\n")
    search = {
        "graph_dir": graph,
        "decode_config": decode,
        "tuning": tmp_path / "tuning.json",
    }
    folder = tmp_path / "words"
    pack(Source(experiment, MODEL, search=search), folder)
    assert PackedModel.load(folder).search == {
        "graph_dir": folder / "graph",
        "decode_config": folder / "graph/decode.yaml",
        "tuning": folder / "graph/tuning.json",
    }
    inside = {"HLG.fst", "words.txt", "decode.yaml", "tuning.json"}
    assert names(folder / "graph") == inside
    with pytest.raises(ValueError, match="give it by --graph_dir"):
        pack(Source(experiment, MODEL, search={"tuning": decode}), tmp_path / "none")


def test_the_same_files_give_the_same_zip(packed: Path, tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        write_zip(packed, tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_features_must_be_known(experiment: Path, tmp_path: Path) -> None:
    (experiment / "fbank.yaml").unlink()
    with pytest.raises(ValueError, match=r"name their\s+options by --fbank_config"):
        pack(Source(experiment, MODEL), tmp_path / "out")
    other = tmp_path / "other.yaml"
    other.write_text("num_mel_bins: 80\n")
    with pytest.raises(ValueError, match=r"other\.yaml: 80 values per frame, the model takes 40"):
        pack(Source(experiment, MODEL, other), tmp_path / "out")
    other.write_text("num_mel_bins: 40\nhigh_freq: -100.0\n")
    pack(Source(experiment, MODEL, other), tmp_path / "out")
    assert read(tmp_path / "out/exp/config.yaml")["frontend_conf"]["high_freq"] == -100.0


def test_a_frontend_of_its_own_stays(experiment: Path, tmp_path: Path) -> None:
    conf = read(experiment / "config.yaml")
    frontend = {"input_size": None, "frontend": "default", "frontend_conf": {"fs": "16k"}}
    (experiment / "config.yaml").write_text(yaml.safe_dump({**conf, **frontend}))
    with pytest.raises(ValueError, match="has a frontend of its own, default"):
        pack(Source(experiment, MODEL, experiment / "fbank.yaml"), tmp_path / "out")
    pack(Source(experiment, MODEL), tmp_path / "out")
    packed = read(tmp_path / "out/exp/config.yaml")
    assert frontend.items() <= packed.items()


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../x", "a/../../x", "a\\b", "C:x", "a\0b", "a\nb", ".", 3, None]
)
def test_names_cannot_leave_their_folder(name: object) -> None:
    with pytest.raises(ValueError, match=r"leads out of its folder|is no name of a file"):
        inner_path(name)


CONFIG, META = "exp/config.yaml", "meta.yaml"


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (META, "exp/config.yaml", "../config.yaml", "'../config.yaml' leads out of its folder"),
        (META, "exp/valid", "/exp/valid", "leads out of its folder"),
        (META, "exp/config.yaml", "exp/none.yaml", "lacks exp/none.yaml, which its meta.yaml"),
        (META, "asr_model_file", "tts_model_file", "files has no asr_model_file"),
        (META, "asr_train_config", "st_train_config", "yaml_files has no asr_train_config"),
        (META, "files:", "files: [", "not YAML"),
        (META, "sha256:\n", "search: 3\nsha256:\n", "search takes graph_dir"),
        (CONFIG, "exp/feats_stats.npz", "/etc/passwd", "leads out of"),
        (CONFIG, "exp/feats_stats.npz", "../../secret.npz", "leads out of"),
        (CONFIG, "exp/feats_stats.npz", "exp/none.npz", "lacks exp/none.npz"),
        (CONFIG, "exp/bpe.model", "../bpe.model", "bpemodel: ../bpe.model leads out of"),
        (CONFIG, "token_type: bpe", "token_type: !!python/name:os.system", "not YAML"),
    ],
)
def test_what_is_no_packed_model_is_one_line(
    packed: Path, file: str, old: str, new: str, message: str
) -> None:
    text = (packed / file).read_text()
    assert old in text
    (packed / file).write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=message) as caught:
        PackedModel.load(packed)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", [f"exp/{MODEL}", "exp/feats_stats.npz", "exp/bpe.model"])
def test_a_changed_file_is_refused(packed: Path, file: str) -> None:
    content = bytearray((packed / file).read_bytes())
    content[len(content) // 2] ^= 1
    (packed / file).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{Path(file).name}: damaged or changed"):
        PackedModel.load(packed)
