import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmoe_espnet.data.lexicon import Lexicon

LINE_FREE = (
    st.text(min_size=1)
    .map(lambda text: unicodedata.normalize("NFC", text))
    .filter(lambda text: text.split() == [text] and not text.startswith("\ufeff"))
)
NAMES = st.text("银行好aAB1#<>é", min_size=1) | LINE_FREE
PRONUNCIATIONS = st.lists(
    st.lists(NAMES, min_size=1).map(tuple), min_size=1, max_size=4, unique=True
).map(tuple)
ENTRIES = st.dictionaries(NAMES, PRONUNCIATIONS, min_size=1)


@settings(max_examples=40)
@given(ENTRIES)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, entries: dict) -> None:
    path = tmp_path_factory.getbasetemp() / "lexicon.txt"
    lexicon = Lexicon(entries)
    lexicon.write(path)
    content = path.read_bytes()
    again = Lexicon.load(path)
    assert again == lexicon
    assert (len(again), again.num_pronunciations) == (
        len(entries),
        sum(len(found) for found in entries.values()),
    )
    Lexicon(dict(reversed(entries.items()))).write(path)
    assert path.read_bytes() == content
    units = {unit for found in entries.values() for reading in found for unit in reading}
    lexicon.check_units(units)
    with pytest.raises(ValueError, match="is not one of the model's"):
        lexicon.check_units(units - {min(units)})


@given(st.text() | st.text("ab好 \n\t", max_size=8))
def test_any_file_is_read_or_named(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_text(text, encoding="utf-8", newline="")
    text = unicodedata.normalize("NFC", text.removeprefix("\ufeff"))
    lines = re.sub("\r\n?", "\n", text).removesuffix("\n").split("\n")
    fields = [tuple(line.split()) for line in lines]
    if all(len(line) > 1 for line in fields) and len(set(fields)) == len(fields):
        entries = Lexicon.load(path).entries
        assert sorted((w, *units) for w in entries for units in entries[w]) == sorted(fields)
    else:
        with pytest.raises(ValueError, match=re.escape(str(path))):
            Lexicon.load(path)


def test_kaldi_format(tmp_path: Path) -> None:
    lexicon = Lexicon({"行": (("xing2",), ("hang2",)), "OK": (("OW", "K", "EY"),)})
    lexicon.write(tmp_path / "lexicon.txt")
    text = (tmp_path / "lexicon.txt").read_text(encoding="utf-8")
    assert text == "OK OW K EY\n行 xing2\n行 hang2\n"
    (tmp_path / "lexicon.txt").write_text("行\txing2\nOK OW K  EY\n行 hang2", encoding="utf-8")
    assert Lexicon.load(tmp_path / "lexicon.txt") == lexicon


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "lexicon.txt: no words"),
        ("\n", "lexicon.txt: no words"),
        ("a AA\n\nb B\n", "lexicon.txt, line 2: empty"),
        ("a AA\n好\n", "lexicon.txt, line 2: 好 has no pronunciation"),
        ("a AA\nb B\na  AA\n", "lexicon.txt, line 3: a AA is already on line 1"),
    ],
)
def test_bad_files(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "lexicon.txt").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        Lexicon.load(tmp_path / "lexicon.txt")


def test_files_that_are_not_text(tmp_path: Path) -> None:
    (tmp_path / "lexicon.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"lexicon\.txt:1: not UTF-8"):
        Lexicon.load(tmp_path / "lexicon.txt")
    with pytest.raises(FileNotFoundError):
        Lexicon.load(tmp_path / "nothing.txt")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "at least one word"),
        ({"a b": (("AA",),)}, "white space, got 'a b'"),
        ({"": (("AA",),)}, "white space, got ''"),
        ({"a": ()}, "a: no pronunciation"),
        ({"a": ((),)}, "a: a pronunciation without units"),
        ({"a": (("A A",),)}, "a: a unit must not"),
        ({"a": (("",),)}, "a: a unit must not"),
        ({"a": (("AA",), ("AA",))}, "a: a pronunciation occurs twice"),
    ],
)
def test_bad_entries(entries: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Lexicon(entries)


def test_unknown_units_are_counted() -> None:
    lexicon = Lexicon({"a": (("AA",),), "b": (("B", "IY"), ("V",)), "c": (("IY",), ("B",))})
    with pytest.raises(ValueError, match=r"b: unit IY is not one of .* 2 units.* of 2 words"):
        lexicon.check_units(["AA", "B"])
