"""Packed models in ESPnet's own classes and commands, and in ours.

One model of extracted features is packed; ESPnet's zoo unpacks it.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from espnet2.bin import asr_inference
from espnet_model_zoo.downloader import ModelDownloader
from models import hybrid
from trained import experiment

from speechmoe_espnet import Speech2Text
from speechmoe_espnet.bin import asr_inference as our_inference
from speechmoe_espnet.bin import decode, pack
from speechmoe_espnet.data.features import FbankConfig, compute_features
from speechmoe_espnet.zoo.find_model import CACHE_VARIABLE

STATS = {"count": np.array(10), "sum": np.full(40, 9.0), "sum_square": np.full(40, 90.0)}
CTC = {"ctc_weight": 1.0, "beam_size": 2, "maxlenratio": 0.2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("packed")


@pytest.fixture(autouse=True)
def cache(folder, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(folder / "cache"))


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(24000) * np.repeat(rng.uniform(0, 0.3, 24), 1000)
    return np.clip(noise, -1, 0.999).astype(np.float32)


@pytest.fixture(scope="module")
def wav(folder, samples):
    soundfile.write(folder / "utterance.wav", samples, 16000, subtype="FLOAT")
    return folder / "utterance.wav"


def packed_model(folder, name, **overrides):
    (folder / name).mkdir()
    np.savez(folder / name / "feats_stats.npz", **STATS)
    conf = {
        "normalize": "global_mvn",
        "normalize_conf": {"stats_file": str(folder / name / "feats_stats.npz")},
    }
    exp = experiment(folder / name / "exp", **conf, **overrides)
    (exp / "fbank.yaml").write_text("dither: 1.0\nlow_freq: 40.0\n")
    args = ["--model_dir", exp, "--name", name, "--output_dir", folder / "out", "--licence", "MIT"]
    assert pack.main([str(word) for word in args]) == 0
    (folder / name / "feats_stats.npz").unlink()
    return exp


@pytest.fixture(scope="module")
def of_features(folder):
    return packed_model(folder, "ctc")


@pytest.fixture(scope="module")
def found(folder, of_features):
    """What ESPnet's zoo returns."""
    return ModelDownloader(folder / "zoo").unpack_local_file(str(folder / "out/ctc.zip"))


def encoded(model, speech):
    with torch.no_grad():
        return model.encode(torch.as_tensor(speech)[None], torch.tensor([len(speech)]))[0]


def test_espnets_class_loads_what_its_zoo_unpacks(found, of_features, samples, folder):
    assert set(found) == {"asr_train_config", "asr_model_file"}
    stock = asr_inference.Speech2Text(**found, **CTC)
    ((text, tokens, _, _),) = stock(samples)
    assert text == "".join(tokens)
    ours = Speech2Text.from_pretrained(folder / "out/ctc.zip", **CTC)
    assert ours(samples)[0][:3] == (text, tokens, stock(samples)[0][2])
    config = yaml.safe_load((of_features / "fbank.yaml").read_text())
    features = compute_features(samples, 16000, FbankConfig(**{**config, "dither": 0.0}))
    heard = encoded(stock.asr_model, samples)
    frontend, stock.asr_model.frontend = stock.asr_model.frontend, None
    read = encoded(stock.asr_model, features)
    stock.asr_model.frontend = frontend
    torch.testing.assert_close(heard, read, atol=1e-3, rtol=1e-3)


def test_espnets_default_options_work(found, samples):
    assert len(asr_inference.Speech2Text(**found, beam_size=2, maxlenratio=0.2)(samples)) == 1


@pytest.mark.parametrize("kind", ["float64", "bfloat16"])
def test_other_types_of_numbers(kind, found, samples):
    expected = asr_inference.Speech2Text(**found, **CTC)
    other = asr_inference.Speech2Text(**found, **CTC, dtype=kind)
    assert len(other(samples)) == 1
    speech = torch.from_numpy(samples).to(getattr(torch, kind))
    difference = encoded(other.asr_model, speech).float() - encoded(expected.asr_model, samples)
    assert difference.abs().max() < (1e-3 if kind == "float64" else 1)


def test_quantisation_changes_little(found, samples):
    plain = asr_inference.Speech2Text(**found, **CTC)
    small = asr_inference.Speech2Text(**found, **CTC, quantize_asr_model=True)
    assert len(small(samples)) == 1
    kinds = [type(module).__module__ for module in small.asr_model.modules()]
    assert any("quantized.dynamic" in kind for kind in kinds)
    difference = encoded(small.asr_model, samples) - encoded(plain.asr_model, samples)
    assert 0 < difference.abs().max() < 0.3


def test_a_hybrid_decodes_jointly(folder, samples):
    packed_model(folder, "hybrid", **hybrid())
    stock = asr_inference.Speech2Text(
        **ModelDownloader(folder / "zoo").unpack_local_file(str(folder / "out/hybrid.zip")),
        beam_size=2,
        maxlenratio=0.2,
    )
    text, tokens, _, _ = stock(samples)[0]
    assert text == "".join(tokens)


def test_espnets_alignment_finds_times(found, samples):
    pytest.importorskip("ctc_segmentation", reason="ESPnet aligns by it: the extra `align`")
    from espnet2.bin import asr_align

    aligner = asr_align.CTCSegmentation(
        **found, fs=16000, kaldi_style_text=False, time_stamps="fixed", gratis_blank=True
    )
    task = aligner(samples, ["一二", "三"], fs=16000)
    lines = str(task).splitlines()
    assert len(lines) == 2
    for line in lines:
        start, end = map(float, line.split()[2:4])
        assert 0 <= start <= end <= len(samples) / 16000 + 0.1


def test_espnets_command_reads_recordings(found, wav, folder):
    (folder / "wav.scp").write_text(f"utt {wav}\n")
    asr_inference.main(
        [
            *("--asr_train_config", found["asr_train_config"]),
            *("--asr_model_file", found["asr_model_file"]),
            *("--data_path_and_name_and_type", f"{folder}/wav.scp,speech,sound"),
            *("--output_dir", f"{folder}/decoded", "--ctc_weight", "1.0", "--beam_size", "2"),
            *("--maxlenratio", "0.2", "--ngpu", "0", "--num_workers", "0"),
        ]
    )
    text = (folder / "decoded/1best_recog/text").read_text()
    expected = asr_inference.Speech2Text(**found, **CTC)(soundfile.read(wav, dtype="float32")[0])
    assert text.split() == ["utt", *expected[0][0].split()]


def test_our_command_finds_the_files_of_a_folder_from_anywhere(found, wav, folder, monkeypatch):
    (folder / "moved.scp").write_text(f"utt {wav}\n")
    exp = folder / "out/ctc/exp"
    monkeypatch.chdir("/")
    args = [
        *("--asr_train_config", exp / "config.yaml"),
        *("--asr_model_file", exp / "valid.loss.ave.pth"),
        *("--data_path_and_name_and_type", f"{folder}/moved.scp,speech,sound"),
        *("--output_dir", folder / "moved", "--ctc_weight", "1.0", "--beam_size", "2"),
        *("--maxlenratio", "0.2", "--ngpu", "0", "--num_workers", "0"),
    ]
    assert our_inference.main([str(word) for word in args]) == 0
    assert (folder / "moved/1best_recog/text").read_text().startswith("utt")


@pytest.mark.parametrize("with_config", [True, False])
def test_espnets_class_finds_the_files_of_a_moved_folder(
    with_config, found, folder, samples, tmp_path, monkeypatch
):
    shutil.copytree(folder / "out/ctc/exp", tmp_path / "moved")
    monkeypatch.chdir("/")
    config = tmp_path / "moved/config.yaml" if with_config else None
    stock = asr_inference.Speech2Text(config, tmp_path / "moved/valid.loss.ave.pth", **CTC)
    assert stock(samples)[0][2] == asr_inference.Speech2Text(**found, **CTC)(samples)[0][2]


def test_a_folder_of_another_encoder_is_espnets_alone(tmp_path):
    exp = experiment(tmp_path / "exp", encoder="conformer")
    conf = yaml.safe_load((exp / "config.yaml").read_text())
    conf |= {"normalize": "global_mvn", "normalize_conf": {"stats_file": "gone/feats_stats.npz"}}
    (exp / "config.yaml").write_text(yaml.safe_dump(conf))
    np.savez(exp / "feats_stats.npz", **STATS)
    with pytest.raises(FileNotFoundError, match="gone/feats_stats"):
        asr_inference.Speech2Text(exp / "config.yaml")


def test_our_decoding_reads_recordings(wav, folder, of_features):
    data = folder / "data/set"
    data.mkdir(parents=True)
    (data / "wav.scp").write_text(f"utt {wav}\n")
    conf = Path(__file__).parents[3] / "conf/decode_ctc_greedy.yaml"
    args = ["--model_dir", folder / "out/ctc/exp", "--config", conf, "--data_dirs", data]
    assert decode.main([str(word) for word in [*args, "--output_dir", folder / "greedy"]]) == 0
    assert (folder / "greedy/set/text").read_text().startswith("utt")


@pytest.mark.parametrize("place", ["zip", "folder", "experiment"])
def test_ours_loads_wherever_it_lies(place, folder, of_features, samples, tmp_path, monkeypatch):
    source = {"zip": "out/ctc.zip", "folder": "out/ctc", "experiment": "ctc/exp"}[place]
    copy = shutil.copy if place == "zip" else shutil.copytree
    copy(folder / source, tmp_path / "moved")
    if place == "experiment":
        shutil.copy(folder / "out/ctc/exp/feats_stats.npz", tmp_path / "moved")
    monkeypatch.chdir("/")
    speech2text = Speech2Text.from_pretrained(tmp_path / "moved", **CTC)
    expected = Speech2Text.from_pretrained(folder / "out/ctc", **CTC)
    assert speech2text(samples)[0][2] == expected(samples)[0][2]


class Program:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_program_in_a_checkpoint_does_not_run(folder, of_features, tmp_path, monkeypatch):
    monkeypatch.setenv("ESPNET_ALLOW_UNSAFE_TORCH_LOAD", "1")
    shutil.copytree(folder / "out/ctc", tmp_path / "evil")
    path, witness = tmp_path / "evil/exp/valid.loss.ave.pth", tmp_path / "witness"
    state = torch.load(path) | {"more": Program(f"touch {witness}")}
    torch.save(state, path)
    meta = yaml.safe_load((tmp_path / "evil/meta.yaml").read_text())
    del meta["sha256"]  # whoever packs a program writes its digest, too
    (tmp_path / "evil/meta.yaml").write_text(yaml.safe_dump(meta))
    with pytest.raises(ValueError, match="not a checkpoint of tensors"):
        Speech2Text.from_pretrained(tmp_path / "evil")
    assert not witness.exists()


def test_ours_quantises_too(folder, of_features, samples):
    small = Speech2Text.from_pretrained(folder / "out/ctc.zip", **CTC, quantize_asr_model=True)
    assert len(small(samples)) == 1


def test_the_card_lies_in_the_folder_and_the_zip(folder, of_features):
    card = (folder / "out/ctc/README.md").read_text()
    assert "MIT" in card
    assert "`speechmoe`" in card


def test_what_is_there_is_not_overwritten(folder, of_features, capsys):
    args = ["--model_dir", of_features, "--name", "ctc", "--output_dir", folder / "out"]
    assert pack.main([str(word) for word in args]) == 1
    assert "exists already" in capsys.readouterr().err
    assert pack.main([*map(str, args[:2]), "--name", "a/b", "--output_dir", "x"]) == 1
    assert "--name: a name has up to 96" in capsys.readouterr().err
