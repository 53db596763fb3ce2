"""Exported files against their models, scored and decoded as by users."""

import dataclasses
import json
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kaldiio
import numpy as np
import pytest
import torch
import yaml

pytest.importorskip("onnxruntime")

from speechmoe_espnet.bin import decode as decode_command
from speechmoe_espnet.bin import decode_onnx, transcribe
from speechmoe_espnet.bin.export import main
from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.features import compute_features
from speechmoe_espnet.data.table import read_table
from speechmoe_espnet.export import file as export_file
from speechmoe_espnet.export.metadata import FORMAT, Metadata
from speechmoe_espnet.export.session import open_session

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "examples"))
import onnx_decode  # noqa: E402

UNITS = ["<blank>", "<unk>", *"甲乙丙丁戊己庚辛", "<sos/eos>"]
BINS = 40
NAMES = ("model.onnx", "model.int8.onnx")
CONFORMER = {
    "output_size": 16,
    "attention_heads": 2,
    "linear_units": 16,
    "num_blocks": 2,
    "dropout_rate": 0.0,
}
PAPER = {
    "output_size": 16,
    "linear_units": 16,
    "num_blocks": 2,
    "attention_every": 2,
    "moe_conf": {"num_experts": 4},
    "embedding_conf": {"num_blocks": 1},
}
KINDS: dict[str, dict[str, Any]] = {
    "paper": {"encoder": "speechmoe", "encoder_conf": PAPER},
    "static": {"encoder": "speechmoe", "encoder_conf": {**PAPER, "moe_conf": {"num_experts": 1}}},
    "conformer": {
        "encoder": "speechmoe_conformer",
        "encoder_conf": {**CONFORMER, "moe_conf": {"num_experts": 4, "top_k": 2}},
    },
    "espnet": {
        "model": "espnet",
        "encoder": "conformer",
        "encoder_conf": {**CONFORMER, "rel_pos_type": "latest"},
        "specaug": None,
    },
    "hybrid": {
        "encoder": "speechmoe",
        "encoder_conf": {**PAPER, "moe_conf": {"num_experts": 4, "moe_blocks": [2]}},
        "decoder": "transformer",
        "decoder_conf": {"num_blocks": 1, "linear_units": 16, "attention_heads": 2},
        "model_conf": {"ctc_weight": 0.3},
    },
}

ModelMaker = Callable[..., Path]


@pytest.fixture(scope="module")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> ModelMaker:
    from espnet2.tasks.asr import ASRTask

    from speechmoe_espnet.espnet.registry import register

    register()

    def make(name: str, **settings: Any) -> Path:
        directory = tmp_path_factory.mktemp(name)
        (directory / "tokens.txt").write_text("\n".join(UNITS) + "\n", encoding="utf-8")
        generator = np.random.default_rng(0)
        features = generator.standard_normal((500, BINS)) * 3 + 12
        stats = {
            "count": 500,
            "sum": features.sum(axis=0),
            "sum_square": np.square(features).sum(axis=0),
        }
        np.savez(directory / "stats.npz", **stats)
        values = {
            "model": "speechmoe",
            "model_conf": {"ctc_weight": 1.0},
            "decoder": None,
            "input_size": BINS,
            "normalize": "global_mvn",
            "normalize_conf": {"stats_file": str(directory / "stats.npz")},
            **settings,
        }
        config = directory / "train.yaml"
        config.write_text(yaml.safe_dump(values), encoding="utf-8")
        words = ["--token_list", str(directory / "tokens.txt"), "--token_type", "char"]
        args = ASRTask.get_parser().parse_args([*words, "--config", str(config)])
        torch.manual_seed(1)
        model = ASRTask.build_model(args)
        with torch.no_grad():
            if model.ctc is not None:
                model.ctc.ctc_lo.weight.mul_(20.0)
        saved = {key: value for key, value in vars(args).items() if key != "config"}
        (directory / "config.yaml").write_text(yaml.safe_dump(saved), encoding="utf-8")
        (directory / "fbank.yaml").write_bytes((ROOT / "conf" / "fbank.yaml").read_bytes())
        torch.save(model.state_dict(), directory / "valid.loss.ave.pth")
        return directory

    return make


@pytest.fixture(scope="module")
def paper(make_model: ModelMaker) -> Path:
    """The paper's encoder, exported in both precisions."""
    directory = make_model("paper", **KINDS["paper"])
    assert main(["--model-dir", str(directory), "--int8"]) == 0
    return directory


@pytest.mark.parametrize("kind", ["static", "conformer", "espnet", "hybrid"])
def test_every_kind_of_model_is_exported_and_agrees(
    kind: str, make_model: ModelMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = make_model(kind, **KINDS[kind])
    output = tmp_path / "x.onnx"
    assert main(["--model_dir", str(directory), "--output", str(output)]) == 0
    captured = capsys.readouterr()
    assert "17 batches" in captured.out
    assert ("attention decoder, which is left out" in captured.err) == (kind == "hybrid")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tokens.txt", "x.onnx"]
    assert (tmp_path / "tokens.txt").read_text(encoding="utf-8").splitlines()[2] == "甲 2"


def test_metadata_say_how_to_use_the_file(paper: Path) -> None:
    found = []
    for name in NAMES:
        props = open_session(paper / name).get_modelmeta().custom_metadata_map
        found.append(Metadata.from_props(props, name))
    metadata = found[0]
    assert metadata.units == tuple(UNITS)
    assert metadata.token_type == "char"
    assert metadata.fbank is not None
    assert FbankConfig(**metadata.fbank) == FbankConfig()
    assert (metadata.num_features, metadata.sample_rate) == (BINS, 16000)
    assert (metadata.subsampling, metadata.least_frames) == (3, 1)
    digests = (metadata.stats_sha256, metadata.config_sha256, metadata.model_sha256)
    assert all(len(digest) == 64 for digest in digests)
    assert [item.precision for item in found] == ["float32", "int8"]
    products = [(paper / name).read_bytes().count(b"MatMulInteger") for name in NAMES]
    assert products[0] == 0
    assert products[1] > 0


def test_sherpa_onnx_finds_its_metadata_and_tokens(paper: Path) -> None:
    for name in NAMES:
        props = open_session(paper / name).get_modelmeta().custom_metadata_map
        assert props["model_type"] == "fire-red-asr-2-ctc"
        assert props["vocab_size"] == str(len(UNITS))
    # ESPnet's own list is not replaced.
    assert (paper / "tokens.txt").read_text(encoding="utf-8").splitlines() == UNITS
    lines = (paper / "model.tokens.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(UNITS)


def test_features_that_sherpa_onnx_does_not_compute_are_said(
    make_model: ModelMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = make_model("low", **KINDS["static"])
    (directory / "fbank.yaml").write_text("low_freq: 60.0\n")
    assert main(["--model_dir", str(directory), "--output", str(tmp_path / "x.onnx")]) == 0
    assert "low_freq is 60.0, there 20.0" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["x.onnx"]


def test_a_wrong_graph_keeps_the_existing_file(
    paper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "x.onnx"
    output.write_bytes(b"before")
    right = export_file.feed_forward_weights

    def wrong(model: torch.nn.Module) -> dict[str, Any]:
        return {
            name: dataclasses.replace(layer, b2=layer.b2 + np.arange(layer.width, dtype=np.float32))
            for name, layer in right(model).items()
        }

    monkeypatch.setattr(export_file, "feed_forward_weights", wrong)
    assert main(["--model_dir", str(paper), "--output", str(output)]) == 1
    assert "not written: the exported graph differs from PyTorch" in capsys.readouterr().err
    assert output.read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["x.onnx"]


def test_mistakes_are_one_line_that_names_them(
    make_model: ModelMaker, paper: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    no_ctc = {**KINDS["hybrid"], "model_conf": {"ctc_weight": 0.0}}
    waves = {"input_size": None, "frontend": "default", "frontend_conf": {"n_mels": BINS}}
    mean = {"normalize": "utterance_mvn", "normalize_conf": {}}
    cases = [
        (tmp_path, [], "no file"),
        (paper, ["--model_file", "x.pth"], "no file"),
        (paper, ["--output", "x.pt"], "does not end in .onnx"),
        (paper, ["--output", str(tmp_path / "no" / "x.onnx")], "there is no folder"),
        (make_model("attention", **no_ctc), [], "no CTC head"),
        (make_model("waves", **KINDS["paper"], **waves), [], "frontend"),
        (make_model("rnn", model="espnet", encoder="vgg_rnn", specaug=None), [], "VGGRNNEncoder"),
        (make_model("utterance", **KINDS["paper"], **mean), [], "UtteranceMVN"),
    ]  # fmt: skip
    for directory, more, message in cases:
        assert main(["--model_dir", str(directory), *more]) == 1
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("export: error: ")
        assert message in error


def test_an_exported_model_is_scored_like_its_original(
    paper: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "set_a"
    data.mkdir()
    generator = np.random.default_rng(3)
    features = {
        f"u{number}": (generator.standard_normal((length, BINS)) * 3 + 12).astype(np.float32)
        for number, length in enumerate((1, 61, 200, 75))
    }
    kaldiio.save_ark(str(data / "f.ark"), features, scp=str(data / "feats.scp"))
    config = ROOT / "conf" / "decode_ctc_greedy.yaml"
    common = ["--config", str(config), "--data_dirs", str(data), "--output_dir"]
    assert decode_command.main(["--model_dir", str(paper), *common, str(tmp_path / "torch")]) == 0
    model = str(paper / "model.onnx")
    assert decode_onnx.main(["--model", model, *common, str(tmp_path / "onnx")]) == 0
    wanted = read_table(tmp_path / "torch" / "set_a" / "text", allow_empty=True)
    assert read_table(tmp_path / "onnx" / "set_a" / "text", allow_empty=True) == wanted
    assert any(wanted.values())
    rtf = json.loads((tmp_path / "onnx" / "set_a" / "rtf.json").read_text())
    assert rtf["num_utts"] == 4
    capsys.readouterr()
    for words, message in (
        (["--model", model, *common, str(tmp_path / "onnx")], "exists already"),
        (["--model", str(tmp_path / "x.onnx"), *common, str(tmp_path / "y")], "there is no file"),
        (["--model", str(config), *common, str(tmp_path / "y")], "has no digest"),
        (["--model", model, "--num_threads", "0", *common, "y"], "at least 1, got 0"),
    ):
        assert decode_onnx.main(words) == 1
        assert message in capsys.readouterr().err


def write_wav(path: Path, samples: np.ndarray, channels: int = 1) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples.astype("<i2").tobytes())


def voiced(seconds: float) -> np.ndarray:
    """A voice-like signal as 16-bit integers."""
    time = np.arange(int(16000 * seconds)) / 16000
    pitch = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 2 * time)) / 16000
    tone = sum(np.sin(k * pitch) / k for k in range(1, 20))
    noise = np.random.default_rng(0).standard_normal(len(time)) * 0.05
    return np.rint(4000 * (tone * np.sin(2 * np.pi * 1.5 * time) ** 2 + noise))


@pytest.mark.parametrize(
    "options",
    [{}, {"deltas": True}, {"num_mel_bins": 23, "low_freq": 60.0, "high_freq": -400.0}],
    ids=str,
)
def test_the_example_computes_the_same_features(options: dict[str, Any]) -> None:
    config = FbankConfig(**options)
    samples = voiced(1.3)
    wanted = compute_features((samples / 32768).astype(np.float32), 16000, config)
    found = onnx_decode.compute_fbank(samples, vars(config))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_the_example_decodes_a_recording(
    paper: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wav(tmp_path / "a.wav", voiced(2.0))
    features = compute_features((voiced(2.0) / 32768).astype(np.float32), 16000, FbankConfig())
    data = tmp_path / "set_w"
    data.mkdir()
    kaldiio.save_ark(str(data / "f.ark"), {"a": features}, scp=str(data / "feats.scp"))
    config = str(ROOT / "conf" / "decode_ctc_greedy.yaml")
    words = ["--config", config, "--data_dirs", str(data), "--output_dir", str(tmp_path / "out")]
    assert decode_command.main(["--model_dir", str(paper), *words]) == 0
    text = read_table(tmp_path / "out" / "set_w" / "text")["a"]
    capsys.readouterr()
    assert onnx_decode.main([str(paper / "model.onnx"), str(tmp_path / "a.wav")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'a.wav'} {text}\n"
    words = ["--model", str(paper / "model.onnx"), "--vad", "none", str(tmp_path / "a.wav")]
    assert transcribe.main(words) == 0
    assert capsys.readouterr().out == f"{text}\n"
    write_wav(tmp_path / "stereo.wav", np.zeros(3200), channels=2)
    assert onnx_decode.main([str(paper / "model.onnx"), str(tmp_path / "stereo.wav")]) == 1
    assert "one channel" in capsys.readouterr().err


def test_the_example_imports_onnxruntime_and_numpy_alone() -> None:
    lines = (ROOT / "examples" / "onnx_decode.py").read_text(encoding="utf-8").splitlines()
    imported = {
        line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))
    }
    assert imported - set(sys.stdlib_module_names) == {"numpy", "onnxruntime"}


def test_a_checkpoint_that_lacks_tensors_is_refused(
    make_model: ModelMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = make_model("gaps", **KINDS["paper"])
    path = directory / "valid.loss.ave.pth"
    state = torch.load(path)
    del state[sorted(state)[0]]
    torch.save(state, path)
    assert main(["--model_dir", str(directory)]) == 1
    assert "lacks 1 tensors" in capsys.readouterr().err
    assert not (directory / "model.onnx").exists()


def test_files_keep_their_format() -> None:
    """Files that earlier versions exported are read: a module that moves does not rename it."""
    assert FORMAT == onnx_decode.FORMAT == "speechmoe_espnet.ctc/1"
