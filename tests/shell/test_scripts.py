"""Every script: --help, wrong options, stages that do not exist, set-up of the environment."""

import dataclasses
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from shell_process import ROOT, Shell

from speechmoe_espnet.corpora.public import PUBLIC_CORPORA
from speechmoe_espnet.corpora.synthetic.presets import PRESETS
from speechmoe_espnet.recipe.recipe_options import Options
from speechmoe_espnet.recipe.training_args import MAIN_JOB_ARGS

RECIPES = ("read", "chat", "spon", "aishell2", "mix", "aishell", "voice")
SCRIPTS = (
    "run_all.sh",
    "tests/run.sh",
    "utils/setup.sh",
    "utils/bench.sh",
    *(f"egs/{name}/asr1/run.sh" for name in RECIPES),
)
WFST = ("--search", "wfst")
GREEDY = ("--decode-config", "conf/decode_ctc_greedy.yaml")
NBEST = ("--decode-config", "conf/decode_wfst_nbest.yaml")
NGRAM = "conf/decode_ctc_prefix_beam_ngram.yaml"


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_and_unknown_option(sh: Shell, script: str) -> None:
    shown = sh(ROOT / script, "--help")
    assert shown.returncode == 0
    assert shown.stdout.startswith(f"Usage: {ROOT / script} [options]")
    wrong = sh(ROOT / script, "--no-such-option", "1")
    assert wrong.returncode == 2
    assert "unknown option --no-such-option" in wrong.stderr


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_thin(name: str) -> None:
    assert len((ROOT / f"egs/{name}/asr1/run.sh").read_text().splitlines()) <= 60


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--stage", "banana"], "whole number"),
        (["--stage", "0"], "stages are 1 to 13"),
        (["--stage", "13"], "runs nothing"),
        (["--stop-stage", "14"], "stages are 1 to 13"),
        (["--stage", "3", "--stop_stage=2"], "runs nothing"),
        (["--token-type", "phone"], "allows char, bpe, syllable_phone; got"),
        (["--nj", "0"], "at least 1"),
        (["--asr-config", "conf/none.yaml"], "--asr-config: there is no 'conf/none.yaml'"),
        (["--corpus", "aishell"], "--corpus aishell needs --corpus-dir"),
        (["--corpus-dir", "."], "name the corpus that lies there with --corpus"),
        (
            ["--corpus", "banana", "--corpus-dir", "."],
            "--corpus allows synthetic, thchs_30, ",
        ),
        (["--corpus", "kaldi", "--corpus-dir", ".", "--preset", "tiny"], "--preset is for"),
        (["--corpus", "kaldi", "--corpus-dir", ".", "--eval-sets", "read"], "test, dev"),
        (["--eval-sets", "read train"], "train is not among the sets of synthetic: read, chat"),
        (["--eval-sets", "read read"], "a set is named twice"),
        (["--preset", "huge"], "--preset allows tiny, small, medium, large; got 'huge'"),
        (["--nbpe", "100"], "--nbpe is for --token-type bpe"),
        (["--expname", "log"], "--expname log: exp/synthetic/log is not for experiments"),
        (["--expname", "stats_char"], "choose another name"),
        (["--expname", "a/b"], "up to 40 letters"),
        (["--expname", "x" * 41], "up to 40 letters"),
        (
            ["--model-dir", ".", "--stage", "4", "--stop-stage", "5"],
            "leaves stages 4, 5,\n12 and 13",
        ),
        (["--init-model", "none.zip"], "--init-model: none.zip: no such folder or zip"),
        (["--init-param", "none.pth:encoder:encoder"], "--init-param: there is no 'none.pth'"),
        (["--corpus", "aishell", "--corpus-dir", "nowhere"], "--corpus-dir: there is no 'nowhere'"),
        (["--expname", "lm_mine"], "is not for experiments; choose another name"),
        (["--lm-order", "0"], "--lm-order 0: from 1 to 5"),
        (["--lm-order", "6"], "--lm-order 6: from 1 to 5"),
        (["--lm-text", "none.txt"], "--lm-text: there is no 'none.txt'"),
        (["--tune", "maybe"], "--tune allows true, false; got 'maybe'"),
        ([*WFST, "--tune", "false", "--stage", "8", "--stop-stage", "8"], "--tune false stage 8"),
        ([*WFST, "--tune-config", "conf/none.yaml"], "--tune-config: there is no 'conf/none.yaml'"),
        (["--stage", "10", "--stop-stage", "10"], "stage 10 runs with --rescore"),
        (["--rescore=true"], "--rescore takes no value"),
        (["--rescore", "--tune", "false"], "n-best lists of dev, which stage 8 makes"),
        (["--rescore", *WFST, *NBEST, "--lm-config", "conf/none.yaml"], "--lm-config: there is no"),
        (["--decode-config", "conf/none.yaml"], "--decode-config: there is no 'conf/none.yaml'"),
        (["--decode-config", "conf/fbank.yaml"], "conf/fbank.yaml: unknown key deltas"),
        (["--rescore", *GREEDY], "method ctc_greedy uses no n-gram"),
        (
            [*WFST, "--rescore"],
            "conf/decode_wfst.yaml: nbest is 1, which leaves nothing to",
        ),
        ([*GREEDY, "--stage", "6", "--stop-stage", "8"], "leaves out stages 6 to 8"),
        ([*WFST, "--token-type", "bpe"], "--token-type syllable_phone or char; decode bpe with"),
        ([*WFST, "--decode-config", NGRAM], "its n-gram is of characters, for models"),
        (["--token-type", "bpe", "--decode-config", NGRAM], "its n-gram is of characters"),
    ],
)
def test_recipe_mistakes(sh: Shell, words: list[str], said: str) -> None:
    done = sh(ROOT / "egs/read/asr1/run.sh", *words)
    assert done.returncode != 0
    assert said in done.stderr
    assert done.stdout == ""


def test_missing_input_names_the_stage_that_makes_it(sh: Shell, tmp_path: Path) -> None:
    done = sh(
        ROOT / "utils/recipe.sh",
        *["--eval-sets", "read", "--stage", "2", "--stop-stage", "4"],
        RECIPE_DIR=str(tmp_path),
    )
    assert done.returncode == 1
    assert "input data/synthetic does not exist; stage 1 makes it" in done.stderr
    assert not (tmp_path / "dump").exists()


def test_names_in_the_options_are_those_the_commands_know(sh: Shell) -> None:
    assert set(_allowed(sh, "egs/mix/asr1/run.sh", "corpus")) == {
        *("synthetic", "folder", "kaldi"),
        *PUBLIC_CORPORA,
    }
    assert _allowed(sh, "egs/mix/asr1/run.sh", "preset") == list(PRESETS)
    assert _allowed(sh, "run_all.sh", "preset") == ["tiny", "small", "full", "medium", "large"]
    assert set(MAIN_JOB_ARGS) == set(PRESETS)  # full: medium, and several seeds
    names = {item.name for item in dataclasses.fields(Options)} - {"given"}
    declared = re.findall(r"^  --([a-z-]+)", _help(sh, "egs/mix/asr1/run.sh"), flags=re.MULTILINE)
    assert {name.replace("-", "_") for name in declared} - {"help"} == names


def _help(sh: Shell, script: str) -> str:
    return sh(ROOT / script, "--help").stdout


def _allowed(sh: Shell, script: str, option: str) -> list[str]:
    (found,) = re.findall(rf"--{option} <([^>]*)>", _help(sh, script))
    return str(found).split("|")


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("read", ["synthetic", "thchs_30"]),
        ("chat", ["synthetic", "ali_meeting"]),
        ("spon", ["synthetic", "wenet_speech"]),
        ("aishell2", ["synthetic", "aishell2"]),
        ("aishell", ["aishell", "synthetic"]),
        ("voice", ["folder", "synthetic"]),
    ],
)
def test_a_recipe_names_its_own_corpora_first(sh: Shell, name: str, first: list[str]) -> None:
    script = f"egs/{name}/asr1/run.sh"
    corpora = _allowed(sh, script, "corpus")
    assert corpora[:2] == first
    assert len(corpora) == len(set(corpora)) == len(PUBLIC_CORPORA) + 3
    assert f"(default: {first[0]})" in _help(sh, script).split("--corpus-dir")[0]


def test_a_missing_corpus_says_how_to_get_it(sh: Shell) -> None:
    done = sh(ROOT / "egs/aishell/asr1/run.sh", "--nj", "2")
    assert done.returncode == 1
    assert "--corpus aishell needs --corpus-dir" in done.stderr
    assert "https://www.openslr.org/33" in done.stderr


def test_a_folder_of_ones_own_starts_from_the_shipped_model(sh: Shell, tmp_path: Path) -> None:
    script = ROOT / "egs/voice/asr1/run.sh"
    assert "(default: mandarin-small)" in _help(sh, "egs/voice/asr1/run.sh")
    done = sh(script)
    assert "--corpus folder needs --corpus-dir: the folder of your recordings" in done.stderr
    done = sh(script, "--corpus-dir", tmp_path, "--init-model", "no-such-model")
    assert done.returncode == 1
    assert "--init-model: no-such-model: no such folder or zip" in done.stderr
    assert done.stderr.count("\n") == 1


def test_every_recipe_has_the_same_defaults(sh: Shell) -> None:
    for name in RECIPES:
        text = _help(sh, f"egs/{name}/asr1/run.sh")
        for default in ("char", "conf/train_speechmoe.yaml", "conf/decode_ctc_greedy.yaml"):
            assert f"(default: {default})" in text


def test_other_systems_are_told(sh: Shell) -> None:
    for script in ("run_all.sh", "egs/mix/asr1/run.sh", "utils/setup.sh"):
        done = sh(ROOT / script, "--help", OSTYPE="darwin24")
        assert done.returncode == 1
        assert "this project runs on Linux" in done.stderr


@pytest.fixture
def set_up(sh: Shell, project: Path) -> Shell:
    def run(
        *command: str | Path, cwd: Path | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        env = {"PYTHON": sys.executable, "SPEECHMOE_VENV": str(project / ".venv")} | env
        return sh(project / "utils/setup.sh", *command, cwd=cwd, **env)

    return run


def test_setup_once_then_quick_then_repaired(set_up: Shell, project: Path) -> None:
    made = set_up()
    assert made.returncode == 0, made.stdout + made.stderr
    assert "set-up finished" in made.stdout
    venv = project / ".venv"
    path = subprocess.check_output(
        [venv / "bin/python", "-c", "import sys; print(sys.path)"], cwd="/", text=True
    )
    assert repr(str(project)) in path, "the package is not importable from other folders"

    begun = time.monotonic()
    again = set_up()
    assert (again.returncode, again.stdout) == (0, "")
    assert time.monotonic() - begun < 1.0

    with open(project / "constraints.txt", "a") as file:
        file.write("# changed\n")
    assert "set-up finished" in set_up().stdout

    # A set-up that was killed: no mark, and a package with a hole in it.
    (venv / "setup.done").unlink()
    next(venv.glob("lib/python*/site-packages/pip/__main__.py")).unlink()
    repaired = set_up()
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert next(venv.glob("lib/python*/site-packages/pip/__main__.py")).exists()


def test_setup_refuses_a_folder_that_is_no_environment(set_up: Shell, project: Path) -> None:
    (project / ".venv").mkdir()
    (project / ".venv" / "precious").write_text("mine")
    done = set_up()
    assert done.returncode == 1
    assert "is no Python environment" in done.stdout
    assert (project / ".venv" / "precious").read_text() == "mine"


def test_setup_failure_names_the_log(set_up: Shell, project: Path) -> None:
    (project / "setup.cfg").write_text(
        "[options]\ninstall_requires =\n    no-such-package-here @ file:///nowhere/broken.whl\n"
        "[options.extras_require]\n"
    )
    done = set_up()
    assert done.returncode == 1
    assert f"see {project}/.venv/setup.log" in done.stderr
    assert not (project / ".venv" / "setup.done").exists()
    assert "not a valid wheel" in (project / ".venv" / "setup.log").read_text()


def test_setup_without_python_says_what_to_install(sh: Shell, project: Path) -> None:
    tools = project / "tools"
    tools.mkdir()
    for name in ("bash", "cat", "date", "dirname", "basename", "env", "find", "flock", "grep"):
        (tools / name).symlink_to(shutil.which(name) or "")
    for name in ("mkdir", "mv", "rm", "sha256sum", "sleep", "tee", "ls"):
        (tools / name).symlink_to(shutil.which(name) or "")
    shim = tools / "python3.12"
    shim.write_text("#!/bin/sh\necho 'shim: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    env = {"PATH": str(tools), "SPEECHMOE_VENV": str(project / ".venv"), "PYTHON": ""}
    done = sh(project / "utils/setup.sh", **env)
    assert done.returncode == 1
    assert "found no working Python 3.12 or 3.13" in done.stdout
    assert "apt-get install python3.12" in done.stdout

    env["PYTHON"] = str(shim)
    done = sh(project / "utils/setup.sh", **env)
    assert done.returncode == 1
    assert f"PYTHON={shim} is not a working Python" in done.stdout


def test_setups_at_once_make_one(set_up: Shell, project: Path) -> None:
    env = os.environ | {"PYTHON": sys.executable, "SPEECHMOE_VENV": str(project / ".venv")}
    both = [
        subprocess.Popen(
            [project / "utils/setup.sh"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120)[0].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert sum("set-up finished" in output for output in outputs) == 1


def test_clean_removes_only_what_the_job_made(sh: Shell, tmp_path: Path) -> None:
    for name in ("data", "dump", "units", "lang", "exp", "local"):
        (tmp_path / "egs/mix/asr1" / name).mkdir(parents=True)
    recipe = tmp_path / "egs/mix/asr1"
    removed = [
        *(f"{name}/synthetic/x" for name in ("data", "dump", "units", "lang")),
        *(f"exp/synthetic/{name}/x" for name in ("static", "speechmoe", "log")),
        "exp/synthetic/stats_syllable_phone/x",
        "exp/synthetic/.static.tmp.7/x",
        "data/.synthetic.tmp.8/x",
    ]
    for name in removed:
        (recipe / name).mkdir(parents=True)
    (tmp_path / "exp/report").mkdir(parents=True)
    for name in ("report.log", "seconds_total"):
        (tmp_path / "exp" / name).touch()
    (tmp_path / "exp/other").mkdir()
    (tmp_path / "utils").symlink_to(ROOT / "utils")
    shutil.copy(ROOT / "run_all.sh", tmp_path)
    done = sh(tmp_path / "run_all.sh", "--clean")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "egs/mix/asr1").iterdir()] == ["local"]
    assert [path.name for path in (tmp_path / "exp").iterdir()] == ["other"]


def test_clean_leaves_other_experiments(sh: Shell, tmp_path: Path) -> None:
    kept = [
        "data/aishell",
        "dump/aishell/train",
        "exp/aishell/static",
        "exp/synthetic/mine",
        "exp/synthetic/static.bak.1",
        "exp/synthetic/static2",
        "units/aishell/char",
        "lang/aishell/ngram_word5",
    ]
    for name in (*kept, "exp/synthetic/static", "data/synthetic"):
        (tmp_path / "egs/mix/asr1" / name).mkdir(parents=True)
    (tmp_path / "utils").symlink_to(ROOT / "utils")
    shutil.copy(ROOT / "run_all.sh", tmp_path)
    done = sh(tmp_path / "run_all.sh", "--clean")
    assert done.returncode == 0, done.stderr
    for name in kept:
        assert (tmp_path / "egs/mix/asr1" / name).is_dir()
    assert not (tmp_path / "egs/mix/asr1/exp/synthetic/static").exists()
    assert not (tmp_path / "egs/mix/asr1/data/synthetic").exists()


def test_without_an_environment_a_recipe_says_how_to_make_it(tmp_path: Path) -> None:
    env = {"SPEECHMOE_VENV": str(tmp_path / "none"), "PATH": "/usr/bin:/bin"}
    if shutil.which("python", path=env["PATH"]):
        pytest.skip("the system has a python of its own")
    done = subprocess.run(
        [ROOT / "egs/read/asr1/run.sh"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"no Python environment in {tmp_path / 'none'}; make it by " in done.stderr
    assert done.stderr.count("\n") == 1
