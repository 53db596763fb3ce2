"""Stages of a recipe on a cluster: the bytes of processes here, with killed workers too."""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from conftest import empty_project
from project import OPTIONS, Project, contents, on_cluster
from test_mistakes import corpus

__all__ = ["corpus", "empty_project"]

pytestmark = pytest.mark.skipif(find_spec("distributed") is None, reason="needs the extra cluster")

WORDS = (
    *OPTIONS,
    *("--rescore", "--decode-config", "conf/decode_wfst_narrow_nbest.yaml"),
    *("--tune-config", "conf/decode_wfst_narrow_nbest.yaml"),
    *("--lm-config", "tests/integration/conf/train_lm_tiny.yaml", "--stop-stage", "10"),
)
DATA, DUMP = "data/synthetic_tiny", "dump/synthetic_tiny"
EXP = "exp/synthetic_tiny"
DECODED = (
    f"{EXP}/tiny/tune_wfst_narrow_nbest/nbest",
    f"{EXP}/tiny/tune_wfst_narrow_nbest/nbest_rescored",
    f"{EXP}/tiny/decode_wfst_narrow_nbest",
    f"{EXP}/tiny/decode_wfst_narrow_nbest_rescored_train_lm_tiny",
)
MADE = (DATA, DUMP, f"{EXP}/stats_syllable_phone", *DECODED)
TIMES = ("rtf.json",)
"""Files that hold how long it took."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A tiny recipe with rescoring, made by processes here."""
    project = Project(tmp_path_factory.mktemp("finished"))
    project.run_recipe(*WORDS)
    return project


def copy(finished: Project, root: Path) -> Project:
    root.mkdir()
    project = Project(root)
    shutil.copytree(finished.recipe_dir(), project.recipe_dir(), dirs_exist_ok=True)
    return project


def made(project: Project) -> dict[str, bytes]:
    """Bytes of all that the stages that use workers make."""
    return {
        f"{folder}/{name}": content
        for folder in MADE
        for name, content in contents(project.recipe_dir() / folder).items()
        if Path(name).name not in TIMES
    }


@pytest.mark.parametrize("num_workers", [1, 2])
def test_bytes_are_those_of_processes_here(
    finished: Project, tmp_path: Path, num_workers: int
) -> None:
    project = copy(finished, tmp_path / "project")
    for folder in MADE:
        shutil.rmtree(project.recipe_dir() / folder)
    wavs = sorted(path.name for path in (finished.recipe_dir() / DATA).rglob("*.wav"))
    # Of data, features and decoding.
    kill = [wavs[0], "feats.1.ark", "valid.loss.ave.pth"]
    kill = [f"{name}:once" for name in kill] if num_workers == 2 else []
    told, killed = on_cluster(project, tmp_path, num_workers, WORDS, kill)
    assert killed == sorted(kill)
    for folder in MADE:
        assert f"making {folder}" in told
    assert f"making {EXP}/tiny\n" not in told
    assert f"cluster local: {num_workers} workers, dashboard http://" in told
    mine, theirs = made(project), made(finished)
    assert mine.keys() == theirs.keys()
    assert [name for name, content in theirs.items() if mine[name] != content] == []


def test_an_utterance_that_kills_is_named_and_may_be_left_out(
    empty_project: Project, corpus: Path, tmp_path: Path
) -> None:
    words = ("--corpus", "kaldi", "--corpus-dir", str(corpus), "--stop-stage", "2")
    kill = ["spk-train-1.wav"]
    (tmp_path / "stopped").mkdir()
    told, _ = on_cluster(empty_project, tmp_path / "stopped", 1, words, kill, status=1)
    assert "spk-train-1: " in told
    assert "killed 2 workers of the cluster by itself" in told
    assert "go on without these utterances by --skip-bad FILE" in told
    dump = empty_project.recipe_dir() / "dump/kaldi"
    assert not (dump / "train").exists()
    (tmp_path / "goes_on").mkdir()
    left_out = tmp_path / "left_out"
    words = (*words, "--skip-bad", str(left_out))
    on_cluster(empty_project, tmp_path / "goes_on", 2, words, kill)
    (line,) = left_out.read_text().splitlines()
    assert line.startswith("train spk-train-1 ")
    assert "killed 2 workers" in line
    names = [text.split()[0] for text in (dump / "train/text").read_text().splitlines()]
    assert names == ["spk-train-0", "spk-train-2"]
