"""Fixtures: a tiny run that serves most tests, and an empty project."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from project import CHAR, OPTIONS, Project


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A tiny recipe that has gone through all stages."""
    project = Project(tmp_path_factory.mktemp("tiny"))
    project.run_recipe(*OPTIONS)
    return project


@pytest.fixture
def empty_project(tmp_path: Path) -> Project:
    """A skeleton in which nothing has been run."""
    return Project(tmp_path)


@pytest.fixture(scope="session")
def char_units(tiny_run: Project) -> Project:
    """The tiny recipe with characters as units, too, ready for training and decoding of `read`."""
    tiny_run.run_recipe(*CHAR, "--stage", "3", "--stop-stage", "4")
    return tiny_run
