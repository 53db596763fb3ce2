"""Tiny random models and data, shared by the tests of decoding commands."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kaldiio
import numpy as np
import pytest
import torch
import yaml
from decoding import BINS, CONFORMER, LENGTHS, SPEECHMOE, UNITS, ModelMaker


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> ModelMaker:
    from espnet2.tasks.asr import ASRTask

    from speechmoe_espnet.espnet.registry import register

    register()

    def make(name: str, **settings: Any) -> Path:
        directory = tmp_path_factory.mktemp(name)
        tokens = directory / "tokens.txt"
        tokens.write_text("\n".join(UNITS) + "\n", encoding="utf-8")
        words = ["--token_list", str(tokens), "--token_type", "char"]
        config = directory / "train.yaml"
        values = {"model_conf": {"ctc_weight": 1.0}, "decoder": None, "normalize": None, **settings}
        config.write_text(yaml.safe_dump(values), encoding="utf-8")
        args = ASRTask.get_parser().parse_args([*words, "--config", str(config)])
        torch.manual_seed(1)
        model = ASRTask.build_model(args)
        with torch.no_grad():
            model.ctc.ctc_lo.weight.mul_(20.0)
        saved = {key: value for key, value in vars(args).items() if key != "config"}
        (directory / "config.yaml").write_text(yaml.safe_dump(saved), encoding="utf-8")
        torch.save(model.state_dict(), directory / "valid.loss.ave.pth")
        return directory

    return make


@pytest.fixture(scope="session")
def conformer(make_model: ModelMaker) -> Path:
    return make_model(
        "conformer",
        model="espnet",
        input_size=BINS,
        encoder="conformer",
        encoder_conf=CONFORMER,
        specaug=None,
    )


@pytest.fixture(scope="session")
def speechmoe(make_model: ModelMaker) -> Path:
    return make_model(
        "speechmoe",
        model="speechmoe",
        input_size=BINS,
        encoder="speechmoe_conformer",
        encoder_conf=SPEECHMOE,
    )


@pytest.fixture(scope="session")
def paper(make_model: ModelMaker) -> Path:
    sizes = {"output_size": 16, "linear_units": 16, "num_blocks": 2, "attention_every": 2}
    return make_model(
        "paper",
        model="speechmoe",
        input_size=BINS,
        encoder="speechmoe",
        encoder_conf={**sizes, "moe_conf": {"num_experts": 4}},
    )


@pytest.fixture(scope="session")
def data_dirs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    top = tmp_path_factory.mktemp("dump")
    generator = np.random.default_rng(0)
    directories = []
    for name in ("a", "b"):
        directory = top / f"set_{name}"
        directory.mkdir()
        features = {
            utt: generator.standard_normal((length, BINS)).astype(np.float32)
            for utt, length in LENGTHS.items()
            if utt.startswith(name)
        }
        kaldiio.save_ark(str(directory / "f.ark"), features, scp=str(directory / "feats.scp"))
        directories.append(directory)
    return directories


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread, so that the last bits do not depend on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
