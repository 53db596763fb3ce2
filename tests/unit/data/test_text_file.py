"""The reader of text files: marks, line ends and composed characters; nothing else reads text."""

import ast
import gzip
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.data.lexicon import Lexicon
from speechmoe_espnet.data.table import read_scp, read_table
from speechmoe_espnet.data.text_file import read_lines, read_text
from speechmoe_espnet.data.tokens import TokenList
from speechmoe_espnet.lm.sentences import read_lines as read_sentences
from speechmoe_espnet.lm.vocabulary import Vocabulary

PACKAGE = Path(__file__).parents[3] / "speechmoe_espnet"
ENDS = st.sampled_from(["\n", "\r\n", "\r"])
LINES = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\ufeff"), max_size=8)
)


def write(path: Path, text: str, end: str, mark: bool, form: str) -> Path:
    text = unicodedata.normalize(form, text).replace("\n", end)
    content = ("\ufeff" * mark + text).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@given(LINES, ENDS, st.booleans(), st.sampled_from(["NFC", "NFD"]), st.sampled_from(["a", "a.gz"]))
def test_files_that_say_the_same_read_the_same(tmp_path_factory, lines, end, mark, form, name):
    folder = tmp_path_factory.getbasetemp()
    text = "".join(line + "\n" for line in lines)
    path = write(folder / name, text, end, mark, form)
    assert read_text(path) == unicodedata.normalize("NFC", text)
    assert read_lines(path) == [unicodedata.normalize("NFC", line) for line in lines]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [False, True])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_every_reader_agrees(tmp_path, end, mark, form):
    def file(text: str) -> Path:
        return write(tmp_path / "file", text, end, mark, form)

    assert read_table(file("u1 café\nu2 好\n")) == {"u1": "café", "u2": "好"}
    assert read_sentences(file("café\n好\n")) == ["café", "好"]
    assert Lexicon.load(file("CAFÉ K AE\n好 hao3\n")).entries == {
        "CAFÉ": (("K", "AE"),),
        "好": (("hao3",),),
    }
    tokens = "<blank>\n<unk>\nÉ\n好\n<sos/eos>\n"
    assert TokenList.load(file(tokens)).units == ("É", "好")
    assert Vocabulary.read(file("CAFÉ 2\n好 1\n")).counts == {"CAFÉ": 2, "好": 1}


def test_names_of_files_stay_as_they_are(tmp_path):
    name = unicodedata.normalize("NFD", "café.wav")
    utterance = unicodedata.normalize("NFD", "é1")
    (tmp_path / "wav.scp").write_text(f"{utterance} {name}\r\n", encoding="utf-8")
    assert read_scp(tmp_path / "wav.scp") == {"é1": name}


def test_the_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes("\ufeff今天\n好\n".encode())
    assert read_text(tmp_path / "plain") == "今天\n好\n"


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes("今天\nab".encode() + "你".encode("gb18030"))
    with pytest.raises(ValueError, match=r"plain:2: not UTF-8 at byte 2; convert the file"):
        read_text(tmp_path / "plain")
    (tmp_path / "plain").write_bytes("今天".encode("utf-16"))
    with pytest.raises(ValueError, match=r"plain:1: not UTF-8 but UTF-16; .*iconv -f UTF-16"):
        read_text(tmp_path / "plain")
    with pytest.raises(FileNotFoundError, match=r"no file .*nowhere"):
        read_text(tmp_path / "nowhere")
    (tmp_path / "a.gz").write_bytes(gzip.compress("好".encode() * 99)[:-9])
    with pytest.raises(ValueError, match=r"a\.gz: not a complete gzip file"):
        read_text(tmp_path / "a.gz")


# Files that this package writes for itself, the text inside of packages, and what others print;
# archives, whose members are opened as bytes.
OWN_READERS = {
    "__main__.py",
    "corpora/synthetic/fetched_voices.py",
    "corpora/synthetic/sources.py",
    "data/text_file.py",
    "decode/graph/grammar_fst.py",
    "grids/runner.py",
    "pipeline/process.py",
    "pipeline/process_identity.py",
    "pipeline/digests.py",
    "system/memory.py",
    "zoo/archive.py",
}


def test_no_other_module_reads_text():
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            function = node.func
            name = getattr(function, "attr", getattr(function, "id", ""))
            words = [w.value for w in node.args if isinstance(w, ast.Constant)]
            words += [w.value.value for w in node.keywords if isinstance(w.value, ast.Constant)]
            opens_text = name == "open" and not any(
                isinstance(word, str) and set(word) & set("bwa+x") and len(word) <= 3
                for word in words
            )
            owner = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
            reads = (name == "read_text" and owner) or (opens_text and owner != "os")
            if reads and owner != "text_file":
                found.add(str(path.relative_to(PACKAGE)))
    assert found <= OWN_READERS, "read text by data.text_file"
