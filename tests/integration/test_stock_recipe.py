"""An unmodified ESPnet recipe trains and decodes with our encoder by one option; ours scores it.

Its utilities, which are Kaldi's, accept our data directories, and so does lhotse. The recipe comes
from ESPnet's source distribution, which pip fetches.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import yaml
from project import ROOT, TINY

from speechmoe_espnet.data.audio import read_audio
from speechmoe_espnet.data.kaldi_dir import DataDir, Segment, read_table, write_table

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


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directories of all default sets and, in `parts`, with segments; paths are absolute."""
    root = tmp_path_factory.mktemp("directories")
    command = [sys.executable, "-m", "speechmoe_espnet"]

    def run(*words: str | Path) -> None:
        subprocess.run([*command, *words, "--absolute-paths"], cwd=root, check=True)

    run("prepare_corpus", "--preset", "tiny", "--train-utts", "8", "--output_dir", "data")
    for name in ("train", "dev", "test"):
        source, target = root / "data" / name.replace("test", "read"), root / "theirs" / name
        target.mkdir(parents=True)
        wavs = read_table(source / "wav.scp")
        # Two parts of each recording, and one recording that nothing names.
        tables: dict[str, dict[str, str]] = {"wav.scp": {"unused": wavs[min(wavs)], **wavs}}
        for file in ("text", "utt2spk"):
            table = read_table(source / file)
            tables[file] = {f"{utt}-{part}": table[utt] for utt in wavs for part in "12"}
        tables["segments"] = {f"{utt}-1": f"{utt} 0 0.5" for utt in wavs} | {
            f"{utt}-2": f"{utt} 0.5 -1" for utt in wavs
        }
        for file, table in tables.items():
            write_table(target / file, table)
    kaldi = ("--corpus", "kaldi", "--corpus_dir", "theirs")
    run("prepare_corpus", *kaldi, "--output_dir", "parts")
    fbank = ROOT / "conf/fbank.yaml"
    run(
        *("extract_features", "--data_dir", "data/dev", "--output_dir", "dump/dev"),
        *("--config", fbank),
    )
    return root


def test_kaldi_accepts_our_directories(egs2: Path, directories: Path, tmp_path: Path) -> None:
    # The script asks for a locale that Debian lists as C.utf8; without it, it reads bytes.
    (tmp_path / "locale").write_text("#!/bin/sh\necho C.UTF-8\n")
    (tmp_path / "locale").chmod(0o755)
    env = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    sets = [path for name in ("data", "parts") for path in (directories / name).glob("*/text")]
    assert len(sets) == 9
    for path in [*sets, directories / "dump/dev/text"]:
        lacks = "--no-wav" if "dump" in path.parts else "--no-feats"
        done = subprocess.run(
            ["utils/validate_data_dir.sh", lacks, path.parent],
            cwd=egs2 / "aishell/asr1", env=env, capture_output=True, text=True,
        )  # fmt: skip
        assert "Successfully validated" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["data/dev", "parts/dev"])
def test_lhotse_imports_our_directories(name: str, directories: Path, tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse")
    words = ["kaldi", "import", directories / name, "16000", "manifests"]
    done = subprocess.run(
        [f"{sys.prefix}/bin/lhotse", *words],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    data = DataDir.load(directories / name)
    cuts = lhotse.load_manifest(tmp_path / "manifests/cuts.jsonl.gz").trim_to_supervisions()
    found = {cut.supervisions[0].id: cut for cut in cuts}
    assert {utt: cut.supervisions[0].text for utt, cut in found.items()} == data.text
    assert {utt: cut.supervisions[0].speaker for utt, cut in found.items()} == data.utt2spk
    for utt in data.utterances[:4]:
        segment = data.segments[utt] if data.segments else Segment.whole(utt)
        wanted, _ = read_audio(data.wav_scp[segment.recording], segment.start, segment.end)
        samples = found[utt].load_audio()[0]
        # lhotse rounds times to milliseconds.
        assert abs(len(samples) - len(wanted)) <= 32
        shared = min(len(samples), len(wanted))
        np.testing.assert_allclose(samples[:shared], wanted[:shared], atol=1e-4)


def test_stages_2_to_12_of_the_stock_recipe(recipe: Path, tmp_path: Path) -> None:
    config = yaml.safe_load((ROOT / TINY).read_text())
    rates = {"router_lr_scale": 0.5, "expert_lr_scale": 0.25, "clip_by_group": True}
    config["model_conf"] |= rates
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
    # Routers and experts have rates of their own.
    rest, routers, experts = (float(re.search(rf"optim0_lr{i}=([\d.e+-]+)", log)[1]) for i in "012")
    assert (routers, experts) == pytest.approx((rest / 2, rest / 4), rel=1e-2)
    assert rates.items() <= written["model_conf"].items()
    (text,) = experiment.glob("**/test/text")
    utterances = (recipe / "data/test/text").read_text().split("\n")
    assert len(text.read_text().split("\n")) == len(utterances)
    # Stage 13 needs sclite; ours reads the recipe's hypotheses.
    words = ["score", "--ref_dir", recipe / "data/test", "--hyp_dir", text.parent]
    command = [sys.executable, "-m", "speechmoe_espnet", *words, "--output_dir", tmp_path / "score"]
    subprocess.run(command, env=env, check=True)
    score = json.loads((tmp_path / "score/cer.json").read_text())
    assert score["num_utts"] == 4
    shutil.rmtree(recipe / "exp")
