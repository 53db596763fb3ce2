"""What was made and then changed stops a stage: any change to any file, as an input or a target."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speechmoe_espnet.pipeline import digests
from speechmoe_espnet.pipeline.stage import Stage, run
from speechmoe_espnet.pipeline.target import copy_target

FILES = {"feats.scp": b"a x:1\nb x:9\n", "feats.1.ark": bytes(range(256)) * 9, "deep/text": b"1"}
ANY = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
ACCEPT = {"accept_changes": True}


@pytest.fixture(scope="module", autouse=True)
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    for name, content in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def makes(source: Path, target: Path, **options: bool) -> Stage:
    return Stage(
        target=target, command=("cp", "-r", f"{source}/.", "{out}"), name="stage 2", **options
    )


def reads(target: Path, dump: Path, **options: bool) -> Stage:
    return Stage(
        target=target,
        command=("cp", "-r", f"{dump}/.", "{out}/copy"),
        inputs=(dump,),
        name="stage 4",
        hints={str(dump): "stage 2 makes it"},
        **options,
    )


@pytest.fixture(scope="module")
def made(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("made") / "dump"
    assert run(makes(source, target))
    return target


def new_folder(tmp_path: Path) -> Path:
    folder = tmp_path / os.urandom(8).hex()
    folder.mkdir()
    return folder


def damage(file: Path, place: int, kind: str) -> None:
    """Flip a bit of a file, cut it, make it longer or remove it."""
    content = bytearray(file.read_bytes())
    place %= 8 * len(content)
    if kind == "flip":
        content[place // 8] ^= 1 << place % 8
    elif kind == "cut":
        del content[place // 8 :]
    elif kind == "longer":
        content += b"x"
    file.unlink()
    if kind != "gone":
        file.write_bytes(content)


any_change = given(
    name=st.sampled_from(sorted(FILES)),
    place=st.integers(0, 8 * 256 * 9),
    kind=st.sampled_from(["flip", "cut", "longer", "gone"]),
)


@ANY
@any_change
def test_a_changed_input_is_named_and_stops(
    made: Path, tmp_path: Path, name: str, place: int, kind: str
) -> None:
    here = new_folder(tmp_path)
    copy_target(made, here / "dump")
    damage(here / "dump" / name, place, kind)
    with pytest.raises(ValueError, match="was changed since it was made") as said:
        run(reads(here / "stats", here / "dump"))
    message = str(said.value)
    for part in ("stage 4: input", name, "stage 2 makes it", "--accept-changes"):
        assert part in message
    assert "\n" not in message
    assert not (here / "stats").exists()


@ANY
@given(name=st.sampled_from(sorted(FILES)), place=st.integers(0, 8 * 256 * 9))
def test_a_bit_that_a_disk_flips_stops_the_stage_that_reads_it(
    made: Path, tmp_path: Path, name: str, place: int
) -> None:
    """Size and times are those of the file as it was made."""
    here = new_folder(tmp_path)
    copy_target(made, here / "dump")
    assert run(reads(here / "before", here / "dump"))
    file = here / "dump" / name
    status, content = file.stat(), bytearray(file.read_bytes())
    place %= 8 * len(content)
    content[place // 8] ^= 1 << place % 8
    with file.open("r+b") as opened:
        opened.write(content)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not run(reads(here / "before", here / "dump")), "finished work is not read again"
    with pytest.raises(ValueError, match="was changed since it was made") as said:
        run(reads(here / "stats", here / "dump"))
    assert all(part in str(said.value) for part in ("stage 4: input", name, "stage 2 makes it"))
    assert run(reads(here / "stats", here / "dump", **ACCEPT))


@ANY
@any_change
def test_a_changed_target_stops_its_own_stage(
    source: Path, made: Path, tmp_path: Path, name: str, place: int, kind: str
) -> None:
    here = new_folder(tmp_path)
    copy_target(made, here / "dump")
    damage(here / "dump" / name, place, kind)
    if kind == "gone":
        assert run(makes(source, here / "dump")), "what is missing is made again"
        return
    with pytest.raises(ValueError, match=r"\Astage 2: .* was changed since it was made") as said:
        run(makes(source, here / "dump"))
    assert name in str(said.value)


def test_changes_can_be_accepted(
    source: Path, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dump = tmp_path / "dump"
    copy_target(made, dump)
    (dump / "feats.scp").write_text("a x:1\n")
    assert not run(makes(source, dump, **ACCEPT))
    assert "(feats.scp); kept as it is" in capsys.readouterr().out
    assert run(reads(tmp_path / "stats", dump, **ACCEPT))
    assert not run(reads(tmp_path / "stats", dump, **ACCEPT))
    assert (tmp_path / "stats/copy/feats.scp").read_text() == "a x:1\n"


@pytest.mark.parametrize("name", FILES)
def test_a_part_of_a_target_is_an_input_like_the_whole(
    made: Path, tmp_path: Path, name: str
) -> None:
    copy_target(made, tmp_path / "dump")
    path = tmp_path / "dump" / name
    before = digests.input_digest(path)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(digests.ChangedError, match=f"{name} was changed since it was made"):
        digests.input_digest(path)
    assert digests.input_digest(path, accept_changes=True) != before


def test_a_new_file_beside_what_was_made_is_no_change(
    source: Path, made: Path, tmp_path: Path
) -> None:
    copy_target(made, tmp_path / "dump")
    (tmp_path / "dump" / "notes").write_text("mine\n")
    assert not run(makes(source, tmp_path / "dump"))
    assert run(reads(tmp_path / "stats", tmp_path / "dump"))
    (tmp_path / "dump" / "notes").write_text("mine, too\n")
    digests.input_digest(tmp_path / "dump" / "notes")


def test_targets_of_earlier_versions_are_known_by_their_whole_content(
    made: Path, tmp_path: Path
) -> None:
    copy_target(made, tmp_path / "dump")
    (tmp_path / "dump" / digests.FILES).unlink()
    os.utime(tmp_path / "dump" / "feats.scp", (1, 1))
    digests.input_digest(tmp_path / "dump")
    (tmp_path / "dump" / "feats.scp").write_text("a x:1\n")
    with pytest.raises(digests.ChangedError, match="dump was changed since it was made"):
        digests.input_digest(tmp_path / "dump")


@ANY
@given(place=st.integers(0, 1 << 16), name=st.sampled_from([digests.DONE, digests.FILES]))
def test_a_damaged_mark_is_one_line_or_changes_nothing(
    source: Path, made: Path, tmp_path: Path, place: int, name: str
) -> None:
    here = new_folder(tmp_path)
    copy_target(made, here / "dump")
    damage(here / "dump" / name, place, "flip")
    said = []
    for stage in (makes(source, here / "dump"), reads(here / "stats", here / "dump")):
        try:
            run(stage)
        except ValueError as error:
            said.append(str(error))
    assert not any("\n" in message for message in said)
    for name, content in FILES.items():
        assert (here / "dump" / name).read_bytes() == content
