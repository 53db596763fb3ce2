"""Pairs of audio and .txt: every layout is read back, every file without a partner is one line."""

import unicodedata
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmoe_espnet.corpora.audio_pairs import AUDIO, read_pairs

NAMES = st.text(st.sampled_from("ab北é. ,|-_"), min_size=1, max_size=5).map(lambda n: f"x{n}y")
PLACES = st.one_of(
    NAMES, st.tuples(NAMES, NAMES).map("/".join), st.tuples(NAMES, NAMES, NAMES).map("/".join)
)


def make(folder: Path, place: str, text: str | None = "你好", ending: str | None = ".wav") -> None:
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    if ending is not None:
        Path(f"{path}{ending}").touch()
    if text is not None:
        Path(f"{path}.txt").write_text(text, encoding="utf-8")


@settings(max_examples=60)
@given(
    places=st.lists(PLACES, min_size=1, max_size=5, unique_by=lambda p: p.replace("/", "-")),
    ending=st.sampled_from(sorted(AUDIO)),
    upper=st.booleans(),
)
def test_every_pair_is_found_with_its_speaker(places, ending, upper):
    with TemporaryDirectory() as name:
        folder = Path(name)
        for number, place in enumerate(places):
            make(folder, place, f"第{number}\n", ending.upper() if upper else ending)
        (folder / ".hidden.wav").touch()
        (folder / "notes.pdf").touch()
        found = read_pairs(folder)
        # A data directory holds no path with a pipe, and ids hold no white space.
        ids = {"_".join(place.replace("/", "-").split()) for place in places}
        if any("|" in place for place in places) or len(ids) < len(places):
            assert found.faults
            return
        assert not found.faults
        texts = {item.audio.relative_to(folder).as_posix(): item for item in found.recordings}
        assert len(texts) == len(places)
        for number, place in enumerate(places):
            item = texts[f"{place}{ending.upper() if upper else ending}"]
            assert item.text.strip() == f"第{number}"
            first = "_".join(unicodedata.normalize("NFC", place.split("/")[0]).split())
            assert item.speaker == (first if "/" in place else "")


@pytest.mark.parametrize(
    ("broken", "kind", "said"),
    [
        ({"text": None}, "no transcript", "a.wav has no a.txt beside it"),
        ({"ending": None}, "no recording", "a.txt has no recording of its name"),
        ({"ending": ".doc"}, "no recording", "audio ends in .wav"),
        ({"text": " \n"}, "no text", "the transcript is empty"),
    ],
)
def test_what_has_no_partner_is_a_fault(tmp_path: Path, broken, kind: str, said: str) -> None:
    make(tmp_path, "b")
    make(tmp_path, "a", **broken)
    found = read_pairs(tmp_path)
    assert [item.name for item in found.recordings] == ["b"]
    (fault,) = found.faults
    assert (fault.kind, fault.name) == (kind, "a")
    assert said in str(fault)
    assert "\n" not in str(fault)


def test_two_files_of_one_stem_are_a_fault(tmp_path: Path) -> None:
    make(tmp_path, "s/a")
    (tmp_path / "s/a.mp3").touch()
    make(tmp_path, "s/b")
    (tmp_path / "s/b.TXT").touch()
    make(tmp_path, "t/a")
    found = read_pairs(tmp_path)
    assert [item.name for item in found.recordings] == ["t-a"]
    assert [fault.kind for fault in found.faults] == ["two of one name"] * 2
    assert "a.mp3, a.wav have the same name" in str(found.faults[0])
    make(tmp_path, "t-a")
    assert "t-a.wav" in str(read_pairs(tmp_path).faults[-1]), "ids of two folders may not meet"


def test_a_transcript_that_is_no_text_is_a_fault(tmp_path: Path) -> None:
    make(tmp_path, "a")
    (tmp_path / "a.txt").write_bytes("你好".encode("gb18030"))
    (fault,) = read_pairs(tmp_path).faults
    assert "a.txt:1: not UTF-8" in str(fault)


def test_names_of_two_compositions_are_one(tmp_path: Path) -> None:
    (tmp_path / unicodedata.normalize("NFD", "é.wav")).touch()
    (tmp_path / unicodedata.normalize("NFC", "é.txt")).write_text("好", encoding="utf-8")
    (item,) = read_pairs(tmp_path).recordings
    assert item.name == "é"


def test_an_empty_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/readme.md").touch()
    with pytest.raises(ValueError, match=r"neither recordings nor \.txt files in it") as caught:
        read_pairs(tmp_path)
    assert "\n" not in str(caught.value)
