"""Fixtures: a runner of scripts, and a recipe whose commands only record their arguments."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_recipe import Recipe
from shell_process import ROOT, Shell


@pytest.fixture
def sh(tmp_path: Path) -> Shell:
    def run(
        *command: str | Path, cwd: Path | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(word) for word in command],
            cwd=cwd or tmp_path,
            env=os.environ | env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture
def recipe(sh: Shell, tmp_path: Path) -> Recipe:
    return Recipe(sh, tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project without requirements: its set-up is quick and needs no network."""
    root = tmp_path / "project"
    root.mkdir()
    shutil.copytree(ROOT / "utils", root / "utils")
    (root / "constraints.txt").write_text("")
    (root / "setup.cfg").write_text(
        "[options]\ninstall_requires =\n[options.extras_require]\ndev =\n"
    )
    return root
