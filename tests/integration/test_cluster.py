"""A recipe on a cluster of processes here: the same bytes, also where a worker is killed."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from project import OPTIONS, Project, contents, on_cluster

pytestmark = pytest.mark.skipif(find_spec("distributed") is None, reason="needs the extra cluster")
DEV = "dump/synthetic_tiny/dev"


def test_features_on_a_cluster(tiny_run: Project, tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    project = Project(root)
    for name in ("data", "dump"):
        shutil.copytree(tiny_run.recipe_dir() / name, project.recipe_dir() / name)
    shutil.rmtree(project.recipe_dir() / DEV)
    words = (*OPTIONS, "--stage", "2", "--stop-stage", "2")
    wav = sorted((project.recipe_dir() / "data").rglob("*dev*.wav"))[0].name
    told, killed = on_cluster(project, tmp_path, 1, words, [f"{wav}:once"])
    assert killed == [f"{wav}:once"]
    assert told.count("cluster local: 1 workers, dashboard http://") == 1
    assert "dev: blocks of 250 utterances: 1/1 done" in told
    mine, theirs = (each.recipe_dir() / "dump" for each in (project, tiny_run))
    assert contents(mine) == contents(theirs)
