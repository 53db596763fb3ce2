"""Fixtures: a tiny run that most tests share, and an empty project."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from project import CHAR, OPTIONS, Project


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A tiny recipe with all stages finished."""
    project = Project(tmp_path_factory.mktemp("tiny"))
    project.run_recipe(*OPTIONS)
    return project


@pytest.fixture
def empty_project(tmp_path: Path) -> Project:
    """A copy of the project in which nothing has run."""
    return Project(tmp_path)


@pytest.fixture(scope="session")
def char_units(tiny_run: Project) -> Project:
    """The tiny recipe with character units as well, ready for training and decoding of `read`."""
    tiny_run.run_recipe(*CHAR, "--stage", "3", "--stop-stage", "4")
    return tiny_run
