"""utils/gpu.sh: which checks it runs, with which Python, and what it says of them."""

import os
from pathlib import Path

import pytest
from shell_process import ROOT, Shell

GPU = ROOT / "utils/gpu.sh"
PYTHON = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
    *pytest*) echo "4 skipped in 0.01s" ;;
    *large_steps*) exit 3 ;;
esac
"""


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment without `python`, whose `python3` only notes its arguments."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("bash", "date", "dirname", "basename", "mkdir", "timeout", "tee", "tail", "grep"):
        (place,) = [
            path for path in (Path(f"/usr/bin/{name}"), Path(f"/bin/{name}")) if path.exists()
        ][:1]
        (folder / name).symlink_to(place)
    (folder / "sh").symlink_to("/bin/sh")
    (folder / "env").symlink_to("/usr/bin/env")
    (folder / "python3").write_text(PYTHON)
    (folder / "python3").chmod(0o700)
    return {
        "PATH": str(folder),
        "SPEECHMOE_VENV": str(tmp_path / "none"),
        "CALLS": str(tmp_path / "calls"),
    }


def summary(folder: Path) -> dict[str, str]:
    lines = (folder / "summary.txt").read_text().splitlines()
    return {name: said.rpartition(",")[0] for name, _, said in (x.partition(": ") for x in lines)}


@pytest.mark.parametrize(("device", "status"), [("cpu", 0), ("cuda", 1)])
def test_what_finds_no_gpu_is_skipped(
    sh: Shell, tmp_path: Path, env: dict[str, str], device: str, status: int
) -> None:
    words = ("--device", device, "--only", "tests encoder", "--output-dir", "figures")
    done = sh(GPU, *words, **env)
    assert done.returncode == status, done.stderr
    assert summary(tmp_path / "figures") == {
        "tests": "skipped, there is no GPU",
        "encoder": "passed",
    }
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [("pytest" in call, "encoder" in call) for call in calls] == [
        (True, False),
        (False, True),
    ]
    assert "--output_dir figures" in calls[1]


def test_a_check_that_fails_does_not_stop_the_others(
    sh: Shell, tmp_path: Path, env: dict[str, str]
) -> None:
    assert sh(GPU, "--device", "cpu", **env).returncode == 1
    assert summary(tmp_path / "exp/gpu") == {
        "tests": "skipped, there is no GPU",
        "large_steps": "FAILED (3)",
        "experts": "passed",
        "encoder": "passed",
    }


@pytest.mark.parametrize("names", ["test", "tests nothing", "tests,encoder", "", " "])
def test_unknown_checks(sh: Shell, tmp_path: Path, env: dict[str, str], names: str) -> None:
    done = sh(GPU, "--only", names, **env)
    assert done.returncode == 2
    assert "there are tests large_steps experts encoder" in done.stderr
    assert not (tmp_path / "exp").exists()


def test_without_any_python(sh: Shell, env: dict[str, str]) -> None:
    (Path(env["PATH"]) / "python3").unlink()
    done = sh(GPU, **env)
    assert done.returncode == 1
    assert "there is no Python environment" in done.stderr
    assert os.path.basename(env["SPEECHMOE_VENV"]) in done.stderr
