"""Options: only declared ones, typed, never evaluated."""

import re
import subprocess
from pathlib import Path

import pytest
from shell_process import ROOT, Shell

SCRIPT = """#!/usr/bin/env bash
set -euo pipefail
. {root}/utils/parse_options.sh
stage=1
declare_option stage int "first stage"
exp_name=base
declare_option exp_name str "experiment"
token_type=char
declare_option token_type "char|bpe" "units"
dry=false
declare_option dry flag "only look"
config=""
declare_option config file "settings"
folder=""
declare_option folder dir "data"
parse_options "Shows options." "$@"
printf '%s\\n' "$stage" "$exp_name" "$token_type" "$dry" "$config" "$folder"
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.sh"
    path.write_text(SCRIPT.format(root=ROOT))
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    "words",
    [
        ["--stage", "3", "--exp-name", "a b", "--dry"],
        ["--stage=3", "--exp_name=a b", "--dry"],
        ["--stage", "9", "--exp_name", "a b", "--dry", "--stage", "3"],
    ],
)
def test_spellings(sh: Shell, script: Path, words: list[str]) -> None:
    done = sh(script, *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["3", "a b", "char", "true", "", ""]


def test_defaults_files_and_values_with_equals(sh: Shell, script: Path, tmp_path: Path) -> None:
    done = sh(script, "--config", script, f"--folder={tmp_path}", "--exp-name=a=--b")
    assert done.stdout.splitlines() == ["1", "a=--b", "char", "false", str(script), str(tmp_path)]


def test_values_are_not_evaluated(sh: Shell, script: Path, tmp_path: Path) -> None:
    text = "$(touch evil)`touch evil`;touch evil"
    done = sh(script, "--exp-name", text)
    assert done.stdout.splitlines()[1] == text
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--stage", "banana"], "--stage needs a whole number (0, 1, 2, ...), got 'banana'"),
        (["--stage", "-1"], "got '-1'"),
        (["--stage", "08"], "got '08'"),
        (["--stage", ""], "got ''"),
        (["--stage", "$(touch evil)"], "needs a whole number"),
        (["--stage"], "--stage needs a value"),
        (["--stages", "1"], "unknown option --stages"),
        (["--stag", "1"], "unknown option --stag"),
        (["--x$(touch evil)", "1"], "unknown option"),
        (["3"], "'3' is not an option"),
        (["--"], "'--' is not an option"),
        (["--token-type", "word"], "--token-type allows char, bpe; got 'word'"),
        (["--token-type", "char|bpe"], "allows char, bpe"),
        (["--dry=yes"], "--dry takes no value"),
        (["--config", "missing.yaml"], "--config: there is no file 'missing.yaml'"),
        (["--exp-name", "a\nb"], "--exp-name: a control character"),
        (["--exp-name=a\tb"], "--exp-name: a control character"),
        (["--folder", "missing"], "--folder: there is no directory 'missing'"),
    ],
)
def test_mistakes(sh: Shell, script: Path, tmp_path: Path, words: list[str], said: str) -> None:
    done = sh(script, *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "--help" in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "evil").exists()


SCRIPTS = [
    *("run_all.sh", "egs/mix/asr1/run.sh", "egs/voice/asr1/make_model.sh"),
    *("utils/setup.sh", "utils/bench.sh", "utils/gpu.sh", "tests/run.sh"),
]


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_option_of_any_script_takes_a_line_break(sh: Shell, name: str) -> None:
    shown = sh(ROOT / name, "--help").stdout
    options = re.findall(r"^  (--[\w-]+) <", shown, flags=re.MULTILINE)
    assert options or name == "utils/setup.sh"
    for option in options:
        for value in ("a\nb", "1\n2", "a\tb", "\n"):
            done = sh(ROOT / name, option, value)
            assert done.returncode == 2, f"{option} takes {value!r}"
            assert f"error: {option}: a control character" in done.stderr


def test_the_scripts_are_all_that_have_options() -> None:
    found = subprocess.run(
        ["git", "grep", "-l", 'parse_options "', "--", "*.sh"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    drivers = {"utils/parse_options.sh", "utils/recipe_options.sh"}
    assert set(found.stdout.split()) - drivers == set(SCRIPTS) - {"egs/mix/asr1/run.sh"}


def test_help_is_made_from_declarations(sh: Shell, script: Path) -> None:
    done = sh(script, "--stage", "4", "--help")
    assert done.returncode == 0
    assert "Shows options." in done.stdout
    assert "--stage <int>" in done.stdout
    assert "first stage (default: 4)" in done.stdout
    assert "--token-type <char|bpe>" in done.stdout
    assert "--dry\n" in done.stdout
