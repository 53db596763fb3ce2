import subprocess

from speechmoe_espnet import __version__
from speechmoe_espnet.system import provenance


def git(directory, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=directory, check=True, capture_output=True)


def test_commit_with_and_without_changes(tmp_path):
    git(tmp_path, "init")
    (tmp_path / "file").write_text("one")
    assert provenance.commit(tmp_path) == "unknown"
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-m", "first")
    clean = provenance.commit(tmp_path)
    assert len(clean) == 40
    (tmp_path / "file").write_text("two")
    assert provenance.commit(tmp_path) == clean + "-dirty"


def test_outside_a_checkout(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.commit(tmp_path) == "unknown"


def test_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance.commit(tmp_path) == "unknown"


def test_versions_and_machine():
    versions = provenance.versions()
    assert set(versions) == {"python", "speechmoe_espnet", *provenance.PACKAGES}
    assert "unknown" not in versions.values()
    assert versions["speechmoe_espnet"] == __version__
    assert provenance.machine()["cpu_count"] >= 1
