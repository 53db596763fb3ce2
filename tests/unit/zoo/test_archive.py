"""Zips of anybody: no member leaves the folder, and damage is one line."""

import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speechmoe_espnet.zoo.archive import unpack_zip, write_zip


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "in/here"
    folder.mkdir(parents=True)
    return folder


def outside(tmp_path: Path, out: Path) -> set[Path]:
    return {path for path in tmp_path.rglob("*") if not path.is_relative_to(out)}


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/tmp/evil_of_a_zip", "..", "a/..", "a\\..\\evil", "C:\\evil"],
)
def test_members_cannot_leave_the_folder(name: str, tmp_path: Path, out: Path) -> None:
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("good", "good")
        file.writestr(name, "evil")
    before = outside(tmp_path, out)
    with pytest.raises(ValueError, match=r"evil\.zip: .*leads out of|is no name"):
        unpack_zip(archive, out)
    assert outside(tmp_path, out) == before
    assert not Path("/tmp/evil_of_a_zip").exists()
    assert not list(out.iterdir()), "nothing is written before all names were checked"


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(kind: int, tmp_path: Path, out: Path) -> None:
    archive = tmp_path / "links.zip"
    with zipfile.ZipFile(archive, "w") as file:
        info = zipfile.ZipInfo("exp")
        info.external_attr = (kind | 0o777) << 16
        file.writestr(info, "/etc")
        file.writestr("exp/passwd", "evil")
    with pytest.raises(ValueError, match="member 'exp' is a link or a device"):
        unpack_zip(archive, out)
    assert not list(out.iterdir())


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "a"], "member 'a' is there twice"),
        (["a/b", "a/./b"], "is there twice"),
        (["a", "a/b"], "a member is both a file and a folder"),
        (["a/b", "a"], "a member is both a file and a folder"),
    ],
)
def test_a_name_has_one_meaning(names: list[str], message: str, tmp_path: Path, out: Path) -> None:
    archive = tmp_path / "double.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in names:
            file.writestr(name, name)
    with pytest.raises(ValueError, match=message):
        unpack_zip(archive, out)


def test_encrypted_and_strangely_compressed_members_are_refused(tmp_path: Path, out: Path) -> None:
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a", "a")
    content = archive.read_bytes()
    central = content.index(b"PK\1\2")
    for offset, value, message in ((8, 1, "encrypted"), (10, 77, "not a zip, or damaged")):
        changed = bytearray(content)
        changed[central + offset] = value
        archive.write_bytes(changed)
        with pytest.raises(ValueError, match=message):
            unpack_zip(archive, out)


def test_a_directory_that_points_outside_of_the_file_is_damage(tmp_path: Path, out: Path) -> None:
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a", "a")
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\5\6") + 16] += 1  # where the list of members begins
    archive.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.zip: .*damaged"):
        unpack_zip(archive, out)


@given(data=st.data())
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_zip_is_one_line_or_unpacks_to_the_same(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    source, out = folder / "source", folder / "out"
    source.mkdir()
    out.mkdir()
    files = {"meta.yaml": b"a: 1\n" * 40, "weights": bytes(range(256)) * 4}
    for name, content in files.items():
        (source / name).write_bytes(content)
    archive = folder / "x.zip"
    write_zip(source, archive)
    content = bytearray(archive.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
    archive.write_bytes(content)
    message = ""
    try:
        unpack_zip(archive, out)
    except ValueError as error:
        message = str(error)
    if message:
        assert "\n" not in message
        assert message.startswith(f"{archive}: ")
    else:
        # A byte that no content depends on (a time, a name): whatever is there is whole.
        found = [path.read_bytes() for path in out.rglob("*") if path.is_file()]
        assert all(content in files.values() for content in found)


def test_more_than_the_disk_holds_is_refused(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "big.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(1 << 20))
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(ValueError, match=r"needs 1048576 bytes in .* where 1000 are free"):
        unpack_zip(archive, out)
