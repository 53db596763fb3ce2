"""The light model against ESPnet's: equal to the bit, and only where it is the same network."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from trained import experiment

from speechmoe_espnet.espnet.experiment_config import load_config
from speechmoe_espnet.inference.ctc_model import is_plain, load_ctc_model
from speechmoe_espnet.inference.experiment import load_model

CTC = {"model_conf": {"ctc_weight": 1.0}, "decoder": None}
KINDS: dict[str, dict[str, Any]] = {
    "features": {},
    "normalised": {"normalize": "global_mvn"},
    "samples": {
        "input_size": None,
        "frontend": "kaldi_fbank",
        "frontend_conf": {"num_mel_bins": 40},
    },
    "dense": {"encoder_conf": {"moe_conf": {"num_experts": 1}}},
}


def made(kind: str, folder: Path) -> Path:
    options = dict(KINDS[kind])
    if options.get("normalize"):
        values = np.random.default_rng(0).normal(10, 3, (50, 40))
        sums = {"sum": values.sum(axis=0), "sum_square": (values**2).sum(axis=0)}
        np.savez(folder / "feats_stats.npz", count=np.array(50), **sums)
        options["normalize_conf"] = {"stats_file": str(folder / "feats_stats.npz")}
    return experiment(folder / "model", **CTC, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_espnets(kind: str, tmp_path: Path) -> None:
    folder = made(kind, tmp_path)
    conf = load_config(folder / "config.yaml")
    assert is_plain(conf)
    file = folder / "valid.loss.ave.pth"
    theirs, ours = load_model(conf, file).eval(), load_ctc_model(conf, file, "cpu")
    size = (3, 60, conf["input_size"]) if conf["input_size"] else (3, 9600)
    speech = torch.randn(size, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([size[1] - 7, size[1] // 2, size[1] - 3])
    with torch.inference_mode():
        wanted = theirs.encode_with_routing(speech, lengths)
        found = ours.encode_with_routing(speech, lengths)
        assert torch.equal(found.encoder_out, wanted.encoder_out)
        assert torch.equal(found.encoder_out_lens, wanted.encoder_out_lens)
        for one, other in zip(found.routing, wanted.routing, strict=True):
            assert torch.equal(one.indices, other.indices)
        log_probs = theirs.ctc.log_softmax(wanted.encoder_out)
        assert torch.equal(ours.ctc.log_softmax(found.encoder_out), log_probs)
    assert ours.token_list == theirs.token_list
    assert ours.blank_id == theirs.blank_id


@pytest.mark.parametrize(
    "change",
    [
        {"encoder": "conformer"},
        {"encoder": "speechmoe_conformer"},
        {"model": "espnet"},
        {"decoder": "transformer"},
        {"frontend": "default", "input_size": None},
        {"preencoder": "linear"},
        {"postencoder": "hugging_face_transformers"},
        {"normalize": "utterance_mvn"},
        {"normalize_conf": {"stats_file": "a", "norm_vars": False}},
        {"encoder_conf": {"interctc_layer_idx": [1], "interctc_use_conditioning": True}},
        {"model_conf": {"ctc_weight": 0.3}},
    ],
)
def test_other_networks_are_left_to_espnet(change: dict[str, Any]) -> None:
    plain = {
        "encoder": "speechmoe",
        "model": "speechmoe",
        "input_size": 80,
        "frontend": None,
        "decoder": None,
        "normalize": "global_mvn",
        "model_conf": {"ctc_weight": 1.0},
    }
    assert is_plain(plain)
    assert not is_plain(plain | change)


def test_every_tensor_is_accounted_for(tmp_path: Path) -> None:
    folder = made("features", tmp_path)
    conf, file = load_config(folder / "config.yaml"), folder / "valid.loss.ave.pth"
    state = torch.load(file)
    torch.save({name: value for name, value in state.items() if "ctc_lo.bias" not in name}, file)
    with pytest.raises(ValueError, match="lacks 1 tensors"):
        load_ctc_model(conf, file, "cpu")
    torch.save(state | {"encoder.more": torch.zeros(1)}, file)
    with pytest.raises(ValueError, match="has 1 tensors that the model"):
        load_ctc_model(conf, file, "cpu")


def test_espnets_task_is_not_imported(tmp_path: Path) -> None:
    folder = made("samples", tmp_path)
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from speechmoe_espnet.inference.load_transcriber import load_transcriber\n"
        "from speechmoe_espnet.inference.speech_finder import find_everything\n"
        f"load_transcriber({str(folder)!r}, None, find_everything)\n"
        "print([name for name in sys.modules if name.startswith('espnet2.tasks')])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"
    assert done.stderr == ""
