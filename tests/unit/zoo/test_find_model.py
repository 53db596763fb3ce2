"""Names of models: folders, zips, shipped names, tags of the Hub; what is not there is one line."""

import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import yaml

from speechmoe_espnet.zoo import find_model as module
from speechmoe_espnet.zoo.archive import write_zip
from speechmoe_espnet.zoo.find_model import find_model
from speechmoe_espnet.zoo.shipped import shipped_models


@pytest.fixture
def archive(packed: Path, tmp_path: Path) -> Path:
    path = tmp_path / "mandarin-small.zip"
    write_zip(packed, path)
    return path


def test_a_zip_is_unpacked_once_and_anew_where_it_was_damaged(archive: Path, cache: Path) -> None:
    first = find_model(archive)
    assert first.folder.parent == cache
    kept = first.checkpoint.stat().st_mtime_ns
    assert find_model(str(archive)) == first
    assert first.checkpoint.stat().st_mtime_ns == kept
    first.checkpoint.write_bytes(b"garbage")
    assert find_model(archive).checkpoint.read_bytes() != b"garbage"
    assert [path.name for path in cache.iterdir()] == [first.folder.name]


def test_a_folder_is_taken_as_it_lies(packed: Path) -> None:
    assert find_model(packed).folder == packed
    assert find_model(os.path.relpath(packed)).config.is_file()


def test_a_shipped_name_is_that_of_its_zip(
    archive: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    shipped = shipped_models(archive.parent)
    assert shipped == {"mandarin-small": archive}
    monkeypatch.setattr(module, "shipped_models", lambda: shipped)
    assert find_model("mandarin-small").folder.parent == cache
    with pytest.raises(FileNotFoundError, match=r"name of a shipped model \(mandarin-small\)"):
        find_model("mandarin-smal")


def test_what_is_nowhere_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.zip: no such folder or zip"):
        find_model("nowhere.zip")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\3\4" + bytes(100)])
def test_a_foreign_file_is_one_line(content: bytes, tmp_path: Path, cache: Path) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.zip: not a zip, or damaged") as caught:
        find_model(tmp_path / "x.zip")
    assert "\n" not in str(caught.value)
    assert not list(cache.glob("*"))


def test_a_zip_of_something_else_is_one_line(packed: Path, tmp_path: Path, cache: Path) -> None:
    (packed / "meta.yaml").unlink()
    write_zip(packed, tmp_path / "x.zip")
    with pytest.raises(ValueError, match=r"x\.zip: not a packed model: it has no meta\.yaml"):
        find_model(tmp_path / "x.zip")
    (packed / "meta.yaml").write_text("files: {asr_model_file: exp/none}\nyaml_files: {}\n")
    write_zip(packed, tmp_path / "y.zip")
    with pytest.raises(ValueError, match=r"y\.zip: meta\.yaml: not a packed ASR model") as caught:
        find_model(tmp_path / "y.zip")
    assert ".tmp." not in str(caught.value)
    assert not list(cache.glob("*"))


@pytest.mark.parametrize("tokens", ["/etc/passwd", "exp/tokens.txt", None, {"a": 1}])
def test_units_are_never_read_from_a_file(tokens: object, packed: Path) -> None:
    config, meta = packed / "exp/config.yaml", packed / "meta.yaml"
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | {"token_list": tokens}))
    content = yaml.safe_load(meta.read_text())
    del content["sha256"]
    meta.write_text(yaml.safe_dump(content))
    with pytest.raises(ValueError, match=r"config\.yaml: token_list must be a list .*, got") as c:
        find_model(packed)
    assert "\n" not in str(c.value)


def hub(monkeypatch: pytest.MonkeyPatch, download: Any) -> None:
    fake = types.ModuleType("huggingface_hub")
    fake.snapshot_download = download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)


def test_a_tag_comes_from_the_hub(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def download(repository: str, revision: str | None) -> str:
        asked.append((repository, revision))
        return str(packed)

    hub(monkeypatch, download)
    assert find_model("someone/mandarin").folder == packed
    assert find_model("someone/mandarin@v1.0").folder == packed
    assert asked == [("someone/mandarin", None), ("someone/mandarin", "v1.0")]
    (packed / "meta.yaml").unlink()
    with pytest.raises(ValueError, match=r"someone/mandarin: has no meta\.yaml"):
        find_model("someone/mandarin")


def test_without_a_network_or_the_package_the_cure_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def download(repository: str, revision: str | None) -> str:
        raise ConnectionError("no route to host\nand a long story")

    hub(monkeypatch, download)
    with pytest.raises(ValueError, match=r"no route to host; without a network give the path") as c:
        find_model("someone/mandarin")
    assert "\n" not in str(c.value)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ValueError, match="pip install huggingface_hub"):
        find_model("someone/mandarin")
