"""Data and training stages of recipes, and the main job: arguments of commands, and kills."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from fake_recipe import Recipe
from shell_process import ROOT

from speechmoe_espnet.espnet.task import SpeechMoEASRTask
from speechmoe_espnet.grids.grid_file import read_grid


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


def test_curves_for_tensorboard_do_not_train_anew(recipe: Recipe) -> None:
    options = ("--expname", "mine")
    recipe.run(*options, "--tensorboard", stage=5)
    target = "exp/synthetic/mine"
    assert "--use_tensorboard=true" in recipe.words(target)
    assert "is up to date" in recipe.run(*options, stage=5)
    shutil.rmtree(recipe.dir / target)
    recipe.run(*options, stage=5)
    assert "--use_tensorboard=true" not in recipe.words(target)
    assert "is up to date" in recipe.run(*options, "--tensorboard", stage=5)


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
    assert recipe.values(units, "--sets") == ["dump/kaldi/dev", "dump/kaldi/test"]
    recipe.run(*corpus, "--eval-sets", "dev", stage=3)
    assert recipe.values(units, "--sets") == ["dump/kaldi/dev"]


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
    except (FileNotFoundError, ProcessLookupError):  # ended before the file is opened, or read
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


def test_main_job_keeps_its_searches_apart(recipe: Recipe) -> None:
    recipe.run_all()
    greedy = (recipe.root / "exp/report/words.json").read_text()
    recipe.run_all("--search", "wfst")
    assert (recipe.root / "exp/report/words.json").read_text() == greedy
    for suffix, decoding, units in (
        ("", "ctc_greedy", "char"),
        ("_wfst", "wfst", "syllable_phone"),
    ):
        for system in ("static", "speechmoe"):
            experiment = f"exp/synthetic/{system}{suffix}"
            config = recipe.value(experiment, "--config")
            assert config.endswith(f"conf/train_{system}.yaml")
            assert recipe.value(experiment, "--token_list").endswith(f"/{units}/tokens.txt")
            assert (recipe.dir / experiment / f"decode_{decoding}/read/score").is_dir()
            assert (recipe.dir / experiment / f"tune_{decoding}").exists() == (suffix == "_wfst")


def test_medium_main_job_trains_as_the_grid_of_several_seeds(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe.run_all("--preset", "medium")
    monkeypatch.chdir(recipe.dir)
    grid = read_grid(ROOT / "egs/mix/asr1/grids/effect.yaml")
    for run in grid.runs():
        if run.system not in ("static", "speechmoe"):
            continue  # of the grid alone
        words = recipe.words(f"exp/synthetic_medium/{run.system}")
        args, _ = SpeechMoEASRTask.get_parser().parse_known_args(words)
        wanted = run.config()
        assert {key: getattr(args, key) for key in wanted} == wanted


def test_large_main_job_trains_its_own_systems_one_after_the_other_on_a_gpu(recipe: Recipe) -> None:
    done = recipe.sh(recipe.root / "run_all.sh", "--preset", "large", "--ngpu", "1", **recipe.env)
    assert done.returncode == 0, done.stderr
    for system in ("static", "speechmoe"):
        experiment = f"exp/synthetic_large/{system}"
        config = recipe.value(experiment, "--config")
        assert config.endswith(f"conf/train_large_{system}.yaml")
        assert recipe.value(experiment, "--ngpu") == "1"
        assert recipe.value(experiment, "--use_amp") == "true"
    told = done.stdout + done.stderr
    assert told.index("synthetic_large/static done") < told.index(
        "making exp/synthetic_large/speechmoe"
    )


@pytest.mark.parametrize(
    ("options", "grid"), [((), "effect"), (("--search", "wfst"), "effect_wfst")]
)
def test_main_job_of_several_seeds_is_a_grid(
    recipe: Recipe, options: tuple[str, ...], grid: str
) -> None:
    python = recipe.dir / "venv/bin/python"
    python.write_text('#!/bin/sh\necho "$@"\n')
    done = recipe.sh(recipe.root / "run_all.sh", "--preset", "full", *options, **recipe.env)
    assert done.returncode == 0, done.stderr
    assert f"speechmoe_espnet.bin.grid egs/mix/asr1/grids/{grid}.yaml" in done.stdout


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
