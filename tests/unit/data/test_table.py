import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.data.table import join_error, read_table, write_table

IDS = (
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1)
    .map(lambda name: unicodedata.normalize("NFC", name))
    .filter(lambda name: name.split() == [name] and not name.startswith("\ufeff"))
)
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r")).map(
    lambda value: unicodedata.normalize("NFC", value).strip(" \t\r")
)


@given(st.dictionaries(IDS, VALUES))
def test_round_trip(table: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "text"
        write_table(path, table)
        read = read_table(path, allow_empty=True)
        assert read == table
        assert list(read) == sorted(table)


def test_lines_as_kaldi_writes_them(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes("b  二 \r\na\t一\u2028 一\n".encode())
    assert read_table(tmp_path / "text") == {"b": "二", "a": "一\u2028 一"}
    write_table(tmp_path / "copy", {"b": "二", "a": "一"})
    assert (tmp_path / "copy").read_bytes() == "a 一\nb 二\n".encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a 1\nb 2\na 3\n", r"text:3: duplicate id a \(first on line 1\)"),
        (b"a 1\nb\n", r"text:2: b: no value after the id"),
        (b"a 1\n\nb 2\n", r"text:2: empty line"),
        (b"a 1\nb \xc4\xe3\n", r"text:2: b: not UTF-8 at byte 2"),
        ("a\u3000b 1\n".encode(), r"text:1: id 'a\\u3000b' must not hold white space"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "text").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_table(tmp_path / "text")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file"):
        read_table(tmp_path / "text")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"a b": "1"}, "id 'a b' must not be empty or hold white space"),
        ({"": "1"}, "must not be empty"),
        ({"a": "1\n2"}, "a: value must be one line"),
        ({"a": " 1"}, "a: value must be one line"),
        ({"a": "1\r2"}, "a: value must be one line"),
        ({"a": "\ud800"}, "'a': cannot be written as UTF-8"),
    ],
)
def test_unwritable(tmp_path: Path, table: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_table(tmp_path / "text", table)
    assert not (tmp_path / "text").exists()


def test_join_error_shows_five() -> None:
    assert str(join_error("text", "lacks", {"b", "a"})) == "text: lacks a, b"
    assert (
        str(join_error("text", "lacks", "gfedcba")) == "text: lacks a, b, c, d, e, ... (7 in all)"
    )
