"""Tables of recordings: whatever a program writes is read back; each bad row is one line."""

import csv
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmoe_espnet.corpora.csv_rows import NAMES, read_rows

TEXTS = st.text(
    st.one_of(
        st.sampled_from("你好,;\t\"\n' é"), st.characters(codec="utf-8", categories=["L", "N"])
    ),
    max_size=12,
).map(lambda text: f"好{text}".strip())
STEMS = st.text(st.sampled_from("abç北 .,;\"'"), min_size=1, max_size=6).map(
    lambda text: f"x{text}y"
)


def write(path: Path, rows: list[list[str]], **options: object) -> Path:
    out = io.StringIO()
    csv.writer(out, **options).writerows(rows)  # type: ignore[arg-type]
    path.write_bytes(out.getvalue().encode())
    return path


@settings(max_examples=60)
@given(
    rows=st.lists(st.tuples(STEMS, TEXTS), min_size=1, max_size=4, unique_by=lambda row: row[0]),
    columns=st.permutations(["path", "text", "speaker", "other"]),
    names=st.fixed_dictionaries({name: st.sampled_from(NAMES[name]) for name in NAMES}),
    upper=st.booleans(),
    ending=st.sampled_from([("csv", ","), ("csv", ";"), ("csv", "\t"), ("tsv", "\t")]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    mark=st.booleans(),
)
def test_what_is_written_is_read(rows, columns, names, upper, ending, line_end, mark):
    with TemporaryDirectory() as place:
        folder = Path(place)
        header = [names.get(column, column) for column in columns]
        lines = [[cell.upper() if upper else cell for cell in header]]
        for stem, text in rows:
            (folder / f"{stem}.wav").touch()
            cells = {"path": f"{stem}.wav", "text": text, "speaker": "s 1", "other": "?"}
            lines.append([cells[column] for column in columns])
        table = write(
            folder / f"t.{ending[0]}", lines, delimiter=ending[1], lineterminator=line_end
        )
        if mark:
            table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
        found = read_rows(table)
        assert not found.faults
        assert [item.audio for item in found.recordings] == [
            folder / f"{stem}.wav" for stem, _ in rows
        ]
        data = found.data_dir()
        assert data is not None
        assert set(data.utt2spk.values()) == {"s_1"}
        # A table of a data directory has a line each, so white space becomes one space.
        assert list(data.text.values()) == [
            " ".join(text.replace("\r\n", "\n").split()) for _, text in rows
        ]


@settings(max_examples=40)
@given(content=st.binary(max_size=60), ending=st.sampled_from([".csv", ".tsv"]))
def test_any_bytes_are_read_or_are_one_line(content, ending):
    with TemporaryDirectory() as place:
        table = Path(place) / f"t{ending}"
        table.write_bytes(content)
        try:
            said = [str(fault) for fault in read_rows(table).faults]
        except ValueError as error:
            said = [str(error)]
        assert said
        assert all(line.startswith(str(table)) and "\n" not in line for line in said)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b", "deep/c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.wav").touch()
    return tmp_path


def test_without_a_header_columns_are_in_order(folder: Path) -> None:
    (two,) = read_rows(write(folder / "t.csv", [["a.wav", "你好"]])).recordings
    assert (two.name, two.text, two.speaker) == ("a", "你好", "")
    (three,) = read_rows(write(folder / "t.csv", [["deep/c.wav", "你好", "s1"]])).recordings
    assert (three.name, three.speaker) == ("c", "s1")
    data = read_rows(write(folder / "t.csv", [["a.wav", "好"], ["deep/c.wav", "好"]])).data_dir()
    assert data is not None
    assert data.utt2spk == {"a": "a", "deep-c": "deep-c"}


def test_a_cell_may_hold_line_breaks(folder: Path) -> None:
    rows = [["path", "text"], ["a.wav", "你\n好"], [], ["gone.wav", "好"]]
    found = read_rows(write(folder / "t.csv", rows))
    assert found.recordings[0].text.split() == ["你", "好"]
    assert found.faults[0].line == 5


@pytest.mark.parametrize(
    ("rows", "kind", "said"),
    [
        ([["a.wav", " "], ["b.wav", "好"]], "no text", "t.csv:2: a: the transcript is empty"),
        ([["a.wav", "，。"], ["b.wav", "好"]], "no text", "the transcript is empty"),
        ([["gone.wav", "好"], ["b.wav", "好"]], "no audio file", "t.csv:2: gone: there is no file"),
        ([["", "好"], ["b.wav", "好"]], "columns", "t.csv:2: line_2: no path"),
        ([["a.wav"], ["b.wav", "好"]], "columns", "1 cells, where a row has 2"),
        ([["a.wav", "好", "好"], ["b.wav", "好"]], "columns", "3 cells, where a row has 2"),
    ],
)
def test_a_bad_row_is_a_fault_and_the_others_are_read(folder: Path, rows, kind, said) -> None:
    found = read_rows(write(folder / "t.csv", [["path", "text"], *rows]))
    assert [item.name for item in found.recordings] == ["b"]
    (fault,) = found.faults
    assert fault.kind == kind
    assert said in str(fault)
    assert "\n" not in str(fault)


def test_two_files_of_one_stem_are_both_faults(folder: Path) -> None:
    (folder / "a.mp3").touch()
    rows = [["path", "text"], ["a.wav", "你"], ["b.wav", "好"], ["./a.mp3", "好"]]
    found = read_rows(write(folder / "t.csv", rows))
    assert [item.name for item in found.recordings] == ["b"]
    assert [fault.line for fault in found.faults] == [2, 4]
    assert "a.wav and a.mp3 (line 4) have the same name" in str(found.faults[0])
    assert found.left_out().keys() == {"a"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "t.csv: no rows; it needs the columns path, text"),
        ("path,text\n", "t.csv: a header and no rows"),
        ("path,speaker\na.wav,s\n", "t.csv:1: the header lacks text; .* text: text, sentence"),
        ("path,audio,text\na.wav,a.wav,好\n", "t.csv:1: the header has path twice"),
        ("one,two\na.wav,好\n", "t.csv:1: no header, which names the columns path, text"),
        ("a.wav\n", "t.csv:1: no header, which names"),
        ('path,text\na.wav,"好\n', "t.csv:2: not a table: unexpected end of data; write a quote"),
        ('path,text\na.wav,"好"吗"\n', "t.csv:2: not a table: ',' expected after '\"'"),
    ],
)
def test_what_is_no_table_is_one_line(folder: Path, content: str, said: str) -> None:
    (folder / "t.csv").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=said) as caught:
        read_rows(folder / "t.csv")
    assert "\n" not in str(caught.value)
