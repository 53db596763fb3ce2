"""What the recipe's stages hand to the commands behind them; no command is really run."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from shell_process import ROOT, Shell

# Commands that write what they were told into their output directory; the rest is real.
PYTHON = """#!{python}
import json, os, sys, time
from pathlib import Path

words = sys.argv[1:]
real = ("stage", "side_by_side", "watch_training")
name = words[1].rpartition(".")[2] if words[:1] == ["-m"] else "stage"
if name in real:
    os.execv("{python}", ["{python}", *words])
if Path("{hang}").exists():
    Path("{hang}.new").write_text(str(os.getpid()))
    os.rename("{hang}.new", "{hang}.pid")
    time.sleep(60)
if Path("{fail}").exists() and Path("{fail}").read_text() == name:
    sys.exit(3)
out = Path(words[words.index("--output_dir") + 1])
for file in (
    *("text", "utt2spk", "tokens.txt", "config.yaml", "valid.loss.ave.pth", "table.txt"),
    *("train/text_shape", "valid/text_shape"),
    *("read/text", "chat/text", "spon/text", "aishell2/text"),
):
    (out / file).parent.mkdir(parents=True, exist_ok=True)
    (out / file).write_text(f"made by {{name}}\\n")
(out / "words.json").write_text(json.dumps(words[2:]))
"""


class Recipe:
    """A recipe whose first stages seem finished."""

    def __init__(self, sh: Shell, root: Path) -> None:
        self.sh = sh
        self.root = root
        self.dir = root / "egs/mix/asr1"
        shutil.copytree(ROOT / "utils", root / "utils")
        (root / "utils/setup.sh").write_text("#!/bin/sh\n")
        shutil.copy(ROOT / "run_all.sh", root)
        for name in ("conf", "speechmoe_espnet"):
            (root / name).symlink_to(ROOT / name)
        for name in ("train", "dev", "test", "read", "chat", "spon", "aishell2"):
            for corpus in ("synthetic", "kaldi"):
                (self.dir / "dump" / corpus / name).mkdir(parents=True)
                for file in ("text", "utt2spk"):
                    (self.dir / "dump" / corpus / name / file).write_text("a 一\n")
        for name in ("units/synthetic/char", "exp/synthetic/stats_char", "venv/bin"):
            (self.dir / name).mkdir(parents=True)
        (self.dir / "units/synthetic/char/tokens.txt").write_text("一\n")
        shutil.copy(ROOT / "egs/mix/asr1/run.sh", self.dir)
        self.hang, self.fail = root / "hang", root / "fail"
        python = self.dir / "venv/bin/python"
        python.write_text(PYTHON.format(python=sys.executable, hang=self.hang, fail=self.fail))
        python.chmod(0o755)
        self.env = {"SPEECHMOE_VENV": str(self.dir / "venv")}

    def run(self, *words: str, stage: int, status: int = 0) -> str:
        done = self.sh(
            self.dir / "run.sh",
            *["--stage", str(stage), "--stop-stage", str(stage), *words],
            cwd=self.dir,
            **self.env,
        )
        assert (done.returncode == 0) == (status == 0), done.stdout + done.stderr
        return done.stdout + done.stderr

    def run_all(self, *words: str, status: int = 0) -> int:
        """Run the main job; return the seconds that its report was told."""
        done = self.sh(self.root / "run_all.sh", *words, **self.env)
        assert (done.returncode == 0) == (status == 0), done.stdout + done.stderr
        told = self.root / "exp/report/words.json"
        words_told = json.loads(told.read_text()) if told.exists() else ["seconds_total=-1"]
        return int(words_told[-1].removeprefix("seconds_total="))

    def words(self, target: str) -> list[str]:
        words: list[str] = json.loads((self.dir / target / "words.json").read_text())
        return words

    def value(self, target: str, option: str) -> str:
        words = self.words(target)
        return words[words.index(option) + 1]


@pytest.fixture
def recipe(sh: Shell, tmp_path: Path) -> Recipe:
    return Recipe(sh, tmp_path)


def finished(directory: Path) -> Path:
    directory.mkdir(parents=True)
    (directory / "config.yaml").write_text("a: 1\n")
    return directory


@pytest.mark.parametrize(
    ("options", "nj", "ngpu"),
    [((), "2", "0"), (("--ngpu", "1", "--nj", "4"), "1", "1"), (("--ngpu", "2"), "1", "1")],
)
def test_decoding_takes_one_process_and_one_gpu(
    recipe: Recipe, options: tuple[str, ...], nj: str, ngpu: str
) -> None:
    finished(recipe.dir / "exp/synthetic/mine")
    recipe.run("--expname", "mine", *options, stage=6)
    target = "exp/synthetic/mine/decode_ctc_greedy"
    assert recipe.value(target, "--nj") == nj
    assert recipe.value(target, "--ngpu") == ngpu


def test_training_keeps_the_features_settings_and_takes_parts_of_a_checkpoint(
    recipe: Recipe,
) -> None:
    (recipe.dir / "start.pth").write_text("first")
    options = ("--expname", "mine", "--init-param", "start.pth:encoder:encoder:encoder.out")
    recipe.run(*options, stage=5)
    target = "exp/synthetic/mine"
    assert (recipe.dir / target / "fbank.yaml").read_text() == (
        ROOT / "conf/fbank.yaml"
    ).read_text()
    assert recipe.value(target, "--output_dir") == target
    assert recipe.value(target, "--init_param").endswith("start.pth:encoder:encoder:encoder.out")
    assert "is up to date" in recipe.run(*options, stage=5)
    (recipe.dir / "start.pth").write_text("second")
    assert "kept as" in recipe.run(*options, stage=5)


def test_model_of_another_recipe(recipe: Recipe) -> None:
    model = finished(recipe.root / "other/exp/synthetic/static")
    recipe.run("--model-dir", str(model), stage=6)
    assert recipe.value("exp/synthetic/static/decode_ctc_greedy", "--model_dir") in (
        str(model),
        os.path.relpath(model, recipe.dir),
    )
    assert "stage 8" not in recipe.run("--model-dir", str(model), "--stop-stage", "8", stage=6)

    (model / ".started.json").write_text("{}")
    output = recipe.run("--model-dir", str(model), stage=6, status=1)
    assert "is not finished; --model-dir wants a finished experiment" in output


def test_given_bpe_units_come_with_their_model(recipe: Recipe) -> None:
    given = recipe.root / "given"
    given.mkdir()
    (given / "tokens.txt").write_text("一\n")
    options = ("--token-type", "bpe", "--token-list", str(given / "tokens.txt"))
    assert "bpe.model" in recipe.run(*options, stage=3, status=1)
    (given / "bpe.model").write_text("first")
    recipe.run(*options, stage=3)
    assert "making" not in recipe.run(*options, stage=3)
    (given / "bpe.model").write_text("second")
    assert "making" in recipe.run(*options, stage=3)


def test_sets_of_a_real_corpus_may_be_chosen(recipe: Recipe) -> None:
    corpus = ("--corpus", "kaldi", "--corpus-dir", str(recipe.root))
    recipe.run(*corpus, stage=3)
    units = "units/kaldi/char"
    assert recipe.words(units)[-4:-2] == ["dump/kaldi/dev", "dump/kaldi/test"]
    recipe.run(*corpus, "--eval-sets", "dev", stage=3)
    words = recipe.words(units)
    assert words[words.index("--sets") + 1 : -2] == ["dump/kaldi/dev"]


@pytest.mark.parametrize("stage", [4, 5])
@pytest.mark.parametrize("killed", ["run.sh", "stage", "its child"])
def test_kill_ends_the_training_process(recipe: Recipe, stage: int, killed: str) -> None:
    recipe.hang.touch()
    script = subprocess.Popen(
        [recipe.dir / "run.sh", "--stage", str(stage), "--stop-stage", str(stage)],
        env=os.environ | recipe.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    ancestors = [_wait_for_pid(Path(f"{recipe.hang}.pid"))]
    while ancestors[-1] != script.pid:
        ancestors.append(_parent(ancestors[-1]))
    stage_pid = next(pid for pid in ancestors if "speechmoe_espnet.bin.stage" in _words(pid)[:3])
    victim = {
        "run.sh": script.pid,
        "stage": stage_pid,
        "its child": ancestors[ancestors.index(stage_pid) - 1],
    }[killed]
    os.kill(victim, signal.SIGKILL)
    script.wait(timeout=20)
    _wait_for_end(ancestors)


def _wait_for_pid(path: Path) -> int:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int(path.read_text())


def _wait_for_end(pids: list[int]) -> None:
    deadline = time.monotonic() + 10
    while running := [pid for pid in pids if _is_running(pid)]:
        assert time.monotonic() < deadline, [_words(pid) for pid in running]
        time.sleep(0.05)


def _words(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _is_running(pid: int) -> bool:
    try:
        return _stat(pid)[0] != "Z"
    except FileNotFoundError:
        return False


def test_main_job_counts_the_seconds_of_its_own_unfinished_runs(recipe: Recipe) -> None:
    noted = recipe.root / "exp/seconds_total"
    shutil.rmtree(recipe.dir / "exp")
    for name in ("data", "dump", "units"):
        shutil.rmtree(recipe.dir / name, ignore_errors=True)
    recipe.fail.write_text("prepare_corpus")
    recipe.run_all(status=1)
    configuration, seconds = noted.read_text().splitlines()
    assert int(seconds) < 500
    for options, low, high in (((), 1000, 1500), (("--seed", "1"), 0, 500)):
        noted.write_text(f"{configuration}\n1000\n")
        recipe.run_all(*options, status=1)
        assert low <= int(noted.read_text().splitlines()[1]) < high

    recipe.fail.unlink()
    noted.write_text(f"{configuration}\n1000\n")
    assert 1000 <= recipe.run_all() < 1500
    assert not noted.exists()  # the next report does not count what this one did


def test_killed_main_job_ends_its_recipe(recipe: Recipe) -> None:
    recipe.hang.touch()
    job = subprocess.Popen(
        [recipe.root / "run_all.sh"],
        env=os.environ | recipe.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    working = _wait_for_pid(Path(f"{recipe.hang}.pid"))
    ancestors = [working]
    while ancestors[-1] != job.pid:
        ancestors.append(_parent(ancestors[-1]))
    job.kill()
    job.wait(timeout=20)
    _wait_for_end(ancestors)
