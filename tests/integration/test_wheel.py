"""The wheel where nobody saw the repository: a tiny model trains, decodes and is shared.

The packages it needs come from the environment of the tests; the repository is on no path there.
"""

import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from project import ROOT, TINY

SOURCES = (
    "pyproject.toml",
    "setup.cfg",
    "MANIFEST.in",
    "README.md",
    "LICENSE",
    "conf",
    "speechmoe_espnet",
)


class Installed:
    """An environment with the wheel, and a folder to work in."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.work = folder / "work"
        self.work.mkdir()
        venv = folder / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        self.bin = venv / "bin"
        # A folder named by a .pth file has its own .pth files left alone: no way to the repository.
        (site,) = venv.glob("lib/python*/site-packages")
        (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
        # ESPnet imports distutils, which setuptools has by a .pth file of its own.
        shutil.copy(Path(sysconfig.get_path("purelib"), "distutils-precedence.pth"), site)
        pip = [sys.executable, "-m", "pip", "--python", self.bin / "python", "install"]
        subprocess.run([*pip, "--no-deps", "--no-index", "--quiet", wheel], check=True)

    def run(self, *words: str | Path) -> str:
        done = subprocess.run(
            [self.bin / str(words[0]), *map(str, words[1:])],
            cwd=self.work,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.work), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    # As PyPI has it: the wheel is made from the sdist, which lacks what MANIFEST.in forgets.
    hook = f"from setuptools.build_meta import build_sdist; build_sdist({str(folder)!r})"
    subprocess.run([sys.executable, "-c", hook], cwd=source, check=True, stdout=subprocess.DEVNULL)
    (sdist,) = folder.glob("speechmoe_espnet-*.tar.gz")
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*pip, "--no-index", "--wheel-dir", folder, sdist], check=True)
    (built,) = folder.glob("speechmoe_espnet-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"), wheel)


def test_the_package_is_the_wheels(installed: Installed) -> None:
    place = installed.run(
        "python", "-c", "import speechmoe_espnet; print(speechmoe_espnet.__file__)"
    )
    assert Path(place.strip()).is_relative_to(installed.bin.parent)
    listed = installed.run("speechmoe", "--help")
    for command in ROOT.glob("speechmoe_espnet/bin/[a-z]*.py"):
        assert f"  {command.stem} " in listed
    conf = installed.run("speechmoe", "conf").split()
    assert {Path(path).name for path in conf} == {path.name for path in ROOT.glob("conf/**/*.yaml")}
    assert all(Path(path).is_relative_to(installed.bin.parent) for path in conf)
    shipped = "from speechmoe_espnet.zoo.shipped import shipped_models; print(*shipped_models())"
    models = {path.stem for path in ROOT.glob("speechmoe_espnet/zoo/models/*.zip")}
    assert set(installed.run("python", "-c", shipped).split()) == models
    assert models


def test_every_file_of_the_package_is_in_the_wheel(installed: Installed) -> None:
    (site,) = installed.bin.parent.glob("lib/python*/site-packages")
    files = {
        path.relative_to(ROOT)
        for path in (ROOT / "speechmoe_espnet").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {path for path in files if not (site / path).is_file()} == set()


SHARE = """
import os, shutil
from pathlib import Path
from speechmoe_espnet import Speech2Text
from speechmoe_espnet.bin import pack

args = "--model_dir exp --fbank_config fbank.yaml --decode_dirs decoded --output_dir packed"
assert pack.main([*args.split(), "--name", "tiny", "--licence", "Apache-2.0"]) == 0
_, wav = Path("data/read/wav.scp").read_text().split("\\n")[0].split(maxsplit=1)
features = Speech2Text.from_experiment("exp", fbank_config="fbank.yaml", maxlenratio=0.2)
expected = features(wav)[0][:3]
shutil.move("packed/tiny.zip", "elsewhere.zip")
wav = os.path.abspath(wav)
archive = os.path.abspath("elsewhere.zip")
shutil.move("packed", "card")
shutil.move("exp", "gone")
shutil.rmtree("units")
os.chdir("/")
shared = Speech2Text.from_pretrained(archive, maxlenratio=0.2)
assert shared.asr_model.frontend.config.num_mel_bins == 40
assert shared(wav)[0][:3] == expected, (shared(wav)[0][:3], expected)
print("equal")
"""


def test_a_tiny_model_trains_decodes_and_is_shared(installed: Installed) -> None:
    run = installed.run
    fbank = run("speechmoe", "conf", "fbank").strip()
    run("speechmoe", "prepare_corpus", "--corpus", "synthetic", "--preset", "tiny", "--sets",
        "read", "--output-dir", "data")  # fmt: skip
    for name in ("train", "dev", "read"):
        run("speechmoe", "extract_features", "--data-dir", f"data/{name}", "--config", fbank,
            "--output-dir", f"dump/{name}")  # fmt: skip
    sets = ("dump/dev", "dump/read")
    run("speechmoe", "make_units", "--token-type", "char", "--train-dir", "dump/train",
        "--sets", *sets, "--output-dir", "units")  # fmt: skip
    data = [
        word
        for part, name in (("train", "train"), ("valid", "dev"))
        for word in (
            *(f"--{part}_data_path_and_name_and_type", f"dump/{name}/feats.scp,speech,kaldi_ark"),
            *(f"--{part}_data_path_and_name_and_type", f"dump/{name}/text,text,text"),
            *(f"--{part}_shape_file", f"dump/{name}/feats.scp"),
        )
    ]
    run("speechmoe", "asr_train", "--config", ROOT / TINY, "--output_dir", "exp", *data,
        "--token_list", "units/tokens.txt", "--token_type", "char", "--use_preprocessor", "true",
        "--input_size", "40", "--batch_type", "unsorted",
        "--max_epoch", "1", "--num_iters_per_epoch", "3", "--num_att_plot", "0")  # fmt: skip
    greedy = run("speechmoe", "conf", "decode_ctc_greedy").strip()
    run("speechmoe", "decode", "--model-dir", "exp", "--config", greedy, "--data-dirs", "dump/read",
        "--output-dir", "decoded")  # fmt: skip
    run("speechmoe", "score", "--ref-dir", "dump/read", "--hyp-dir", "decoded/read",
        "--output-dir", "decoded/read/score")  # fmt: skip
    epoch = json.loads((installed.work / "exp/train_stats.jsonl").read_text())
    assert epoch["train"]["loss_embedding"] > 0
    assert (installed.work / "decoded/read/text").is_file()
    assert (installed.work / "decoded/read/score").is_dir()
    shutil.copy(fbank, installed.work / "fbank.yaml")
    assert run("python", "-c", SHARE).endswith("equal\n")
    card = (installed.work / "card/tiny/README.md").read_text()
    assert "| read | 10 | CER |" in card
