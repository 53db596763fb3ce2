"""Exported files in other people's runtimes: sherpa-onnx and onnxruntime-web, equal to ours.

The programs of docs/howto/run_elsewhere.md are run as they stand there.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import kaldiio
import numpy as np
import onnxruntime
import pytest
from project import ROOT, Project

from speechmoe_espnet.bin import decode, export
from speechmoe_espnet.data.audio import read_audio
from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.features import compute_features
from speechmoe_espnet.data.table import read_table

PAGE = ROOT / "docs/howto/run_elsewhere.md"
NAMES = ("speechmoe.onnx", "speechmoe.int8.onnx")
ONNXRUNTIME_WEB = "onnxruntime-web@1.30.0"


@dataclass
class Exported:
    """A folder with an exported model, and three recordings with their features and our text."""

    folder: Path
    recordings: Mapping[str, Path]
    features: Mapping[str, np.ndarray]
    texts: Mapping[str, str]


@pytest.fixture(scope="module")
def exported(tiny_run: Project, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("exported")
    recipe = tiny_run.recipe_dir()
    model = recipe / "exp/synthetic_tiny/tiny"
    words = ["--model_dir", str(model), "--output", str(folder / NAMES[0]), "--int8"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(recipe)
        assert export.main(words) == 0
        wavs = read_table("data/synthetic_tiny/read/wav.scp")
        recordings = {name: Path(wavs[name]).resolve() for name in sorted(wavs)[:3]}
        features = {
            name: compute_features(*read_audio(path), FbankConfig(), name)
            for name, path in recordings.items()
        }
        data = folder / "data"
        data.mkdir()
        kaldiio.save_ark(str(data / "feats.ark"), features, scp=str(data / "feats.scp"))
        config = str(ROOT / "conf/decode_ctc_greedy.yaml")
        words = ["--config", config, "--data_dirs", str(data), "--output_dir", str(folder / "ours")]
        assert decode.main(["--model_dir", str(model), *words]) == 0
    texts = read_table(folder / "ours/data/text", allow_empty=True)
    # Equal texts say something where they are long and differ from each other.
    assert len(set(texts.values())) == 3
    assert all(len(text.split()) > 2 for text in texts.values())
    return Exported(folder, recordings, features, texts)


def program(language: str) -> str:
    """A program of the page; it has ten lines, or ten between the brackets of a function."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    lines = [line for line in found[1].splitlines() if line]
    assert len(lines) <= {"cpp": 14}.get(language, 11)
    return found[1]


def test_the_page_has_the_programs() -> None:
    for language in ("python", "cpp", "kotlin", "js"):
        assert program(language)


def test_sherpa_onnx_writes_our_text(exported: Exported) -> None:
    pytest.importorskip("sherpa_onnx", reason="sherpa-onnx is not installed (extra clients)")
    code = program("python")
    for name, path in exported.recordings.items():
        here = code.replace('"first.wav"', repr(str(path)))
        done = subprocess.run(
            [sys.executable, "-c", here], cwd=exported.folder, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == exported.texts[name]


def test_sherpa_onnx_runs_int8(exported: Exported) -> None:
    pytest.importorskip("sherpa_onnx", reason="sherpa-onnx is not installed (extra clients)")
    (name, path), *_ = exported.recordings.items()
    code = program("python").replace('"first.wav"', repr(str(path))).replace(*NAMES)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=exported.folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    session = onnxruntime.InferenceSession(exported.folder / NAMES[1])
    log_probs, _ = session.run(None, inputs(exported.features[name]))
    units = json.loads(session.get_modelmeta().custom_metadata_map["units"])
    best = [units[unit] for unit in log_probs[0].argmax(axis=1)]
    wanted = [unit for unit, last in zip(best, [None, *best], strict=False) if unit != last]
    silent = ("<blank>", "<unk>", "<sos/eos>")
    assert done.stdout.split() == [unit for unit in wanted if unit not in silent]


def test_the_program_in_cpp(exported: Exported, tmp_path: Path) -> None:
    sherpa_onnx = pytest.importorskip("sherpa_onnx", reason="sherpa-onnx is not installed")
    if shutil.which("g++") is None:
        pytest.skip("there is no C++ compiler")
    (name, path), *_ = exported.recordings.items()
    (tmp_path / "a.cc").write_text(program("cpp").replace("first.wav", str(path)))
    package = Path(sherpa_onnx.__file__).parent
    library = package / "lib"
    compiled = subprocess.run(
        [
            *("g++", "-std=c++17", "-D_GLIBCXX_USE_CXX11_ABI=0", "a.cc", "-o", "a.out"),
            f"-I{package / 'include'}",
            *(f"-L{library}", f"-Wl,-rpath,{library}", f"-Wl,-rpath-link,{library}"),
            *("-lsherpa-onnx-cxx-api", "-lsherpa-onnx-c-api"),
        ],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert compiled.returncode == 0, compiled.stderr
    done = subprocess.run([tmp_path / "a.out"], cwd=exported.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == exported.texts[name]


def inputs(features: np.ndarray) -> dict[str, np.ndarray]:
    return {"features": features[None], "lengths": np.array([len(features)])}


@pytest.fixture(scope="module")
def onnx_web(pytestconfig: pytest.Config) -> Path:
    """A folder with onnxruntime-web and the script that runs it, kept in pytest's cache."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("there is no node with npm")
    folder = Path(pytestconfig.cache.mkdir(ONNXRUNTIME_WEB.replace("@", "_")))
    if not (folder / "node_modules/onnxruntime-web").is_dir():
        npm = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder]
        done = subprocess.run([*npm, ONNXRUNTIME_WEB], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"npm cannot fetch {ONNXRUNTIME_WEB}: {done.stderr.strip()[-200:]}")
    shutil.copy(ROOT / "tests/integration/onnx_web/run.mjs", folder)
    return folder


def test_onnxruntime_web_computes_what_onnxruntime_does(
    exported: Exported, onnx_web: Path, tmp_path: Path
) -> None:
    (features, *_) = exported.features.values()
    told = {"frames": len(features), "bins": features.shape[1], "features": features.ravel()}
    (tmp_path / "inputs.json").write_text(json.dumps(told, default=np.ndarray.tolist))
    models = [exported.folder / name for name in NAMES]
    done = subprocess.run(
        ["node", onnx_web / "run.mjs", tmp_path / "inputs.json", *models],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(models)
    for model, line in zip(models, lines, strict=True):
        log_probs, lengths = onnxruntime.InferenceSession(model).run(None, inputs(features))
        found, found_lengths = json.loads(line)
        assert found_lengths == lengths.tolist()
        found = np.array(found, dtype=np.float32).reshape(log_probs.shape)
        np.testing.assert_allclose(found, log_probs, atol=1e-3, err_msg=str(model))
        assert (found.argmax(axis=-1) == log_probs.argmax(axis=-1)).all()
