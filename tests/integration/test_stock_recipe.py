"""An unmodified ESPnet recipe trains, decodes and scores with our encoder by one option.

The recipe comes from ESPnet's source distribution, which pip fetches.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from project import ROOT, TINY

SETS = {"train": ("train", 12), "dev": ("dev", 4), "test": ("read", 4)}


@pytest.fixture(scope="module")
def egs2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipes of ESPnet's sdist, with the links of a git clone, which an sdist cannot hold."""
    folder = tmp_path_factory.mktemp("espnet")
    sdist = f"espnet=={version('espnet')}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*pip, "--no-binary", "espnet", "--dest", folder, sdist], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"pip cannot fetch the sdist of {sdist}: {done.stderr.strip()[-200:]}")
    (archive,) = folder.glob("espnet-*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (source,) = (path for path in folder.glob("espnet-*") if path.is_dir())
    for name in ("scripts", "pyscripts", "utils", "steps"):
        (source / "egs2/aishell/asr1" / name).symlink_to(f"../../TEMPLATE/asr1/{name}")
    # The recipe's path.sh asks for the folder of a tool that only its n-grams use.
    (source / "tools/kenlm/build/bin").mkdir(parents=True)
    return source / "egs2"


@pytest.fixture(scope="module")
def recipe(egs2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """egs2/aishell/asr1 with a dozen utterances of our synthetic corpus as its data."""
    recipe = egs2 / "aishell/asr1"
    corpus = tmp_path_factory.mktemp("corpus") / "data"
    words = ["prepare_corpus", "--corpus", "synthetic", "--preset", "tiny", "--sets", "read"]
    subprocess.run(
        [sys.executable, "-m", "speechmoe_espnet", *words, "--output_dir", corpus], check=True
    )
    for target, (source, count) in SETS.items():
        directory = recipe / "data" / target
        directory.mkdir(parents=True)
        for name in ("text", "utt2spk"):
            lines = (corpus / source / name).read_text(encoding="utf-8").splitlines()[:count]
            (directory / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        wavs = dict(
            line.split(maxsplit=1)
            for line in (corpus / source / "wav.scp").read_text().splitlines()
        )
        chosen = [line.split()[0] for line in lines]
        (directory / "wav.scp").write_text(
            "".join(f"{utt} {(corpus.parent / wavs[utt]).resolve()}\n" for utt in chosen)
        )
        speakers = (directory / "utt2spk").read_text()
        done = subprocess.run(
            ["utils/utt2spk_to_spk2utt.pl"],
            cwd=recipe, input=speakers, capture_output=True, text=True, check=True,
        )  # fmt: skip
        (directory / "spk2utt").write_text(done.stdout)
    return recipe


def test_stages_2_to_12_of_the_stock_recipe(recipe: Path, tmp_path: Path) -> None:
    config = yaml.safe_load((ROOT / TINY).read_text())
    config["model_conf"]["router_lr_scale"] = 0.5
    # Recordings go in; asr.sh adds their rate.
    config |= {"frontend": "kaldi_fbank", "frontend_conf": {"num_mel_bins": 23}}
    config |= {"max_epoch": 1, "batch_size": 4}
    (tmp_path / "train_tiny.yaml").write_text(yaml.safe_dump(config))
    decoding = {"beam_size": 2, "ctc_weight": 1.0, "maxlenratio": 0.1}
    (tmp_path / "decode_tiny.yaml").write_text(yaml.safe_dump(decoding))
    options = [
        *("--python", f"{sys.executable} -m speechmoe_espnet.run"),
        *("--asr_config", str(tmp_path / "train_tiny.yaml")),
        *("--inference_config", str(tmp_path / "decode_tiny.yaml")),
        *("--inference_asr_model", "valid.loss.ave.pth", "--speed_perturb_factors", ""),
        *("--ngpu", "0", "--nj", "1", "--inference_nj", "1", "--test_sets", "test"),
        *("--stage", "2", "--stop_stage", "12"),
    ]
    env = os.environ | {"PYTHONPATH": str(ROOT), "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}"}
    done = subprocess.run(
        ["./run.sh", *options], cwd=recipe, env=env, capture_output=True, text=True
    )
    logs = [path.read_text() for path in recipe.glob("exp/**/*.log")] if done.returncode else []
    assert done.returncode == 0, "\n".join([done.stdout, done.stderr, *logs])[-8000:]
    (experiment,) = recipe.glob("exp/asr_train_tiny*")
    log = (experiment / "train.log").read_text()
    for name in ("loss_sparsity", "loss_importance", "loss_embedding"):
        assert float(re.search(rf"{name}=([\d.]+)", log)[1]) > 0
    written = yaml.safe_load((experiment / "config.yaml").read_text())
    assert written["model"] == "speechmoe"
    assert (written["input_size"], written["frontend"]) == (None, "kaldi_fbank")
    assert written["frontend_conf"] == {"num_mel_bins": 23, "fs": "16k"}
    assert (experiment / "feats_stats.npz").is_file()
    # ESPnet's defaults: attention weights of three utterances, and curves for tensorboard.
    plots = {path.name for path in experiment.glob("att_ws/*/*.1ep.png")}
    assert plots == {"encoder.backbone.blocks.1.attention.1ep.png"}
    assert len(list(experiment.glob("att_ws/*"))) == 3
    assert list(experiment.glob("tensorboard/train/events.*"))
    # Two learning rates: routers have a group of their own.
    assert "optim0_lr0" in log
    (text,) = experiment.glob("**/test/text")
    utterances = (recipe / "data/test/text").read_text().split("\n")
    assert len(text.read_text().split("\n")) == len(utterances)
    shutil.rmtree(recipe / "exp")
