import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.data.text_norm import normalize_text
from speechmoe_espnet.lm.sentences import LEVELS, read_lines, read_sentences, segment_lines


def test_plain_and_kaldi_files(tmp_path):
    (tmp_path / "plain").write_bytes("\ufeff 今天去银行，\r\n\n你好\tOK".encode())
    (tmp_path / "text").write_text("u1 今天去银行\nu2  I LOVE 你\n", encoding="utf-8")
    assert read_lines(tmp_path / "plain") == ["今天去银行，", "你好\tOK"]
    assert read_lines(tmp_path / "text") == ["今天去银行", "I LOVE 你"]
    files = [tmp_path / "plain", tmp_path / "text"]
    assert read_sentences(files, "word") == [
        ["今天", "去", "银行"],
        ["你好", "OK"],
        ["今天", "去", "银行"],
        ["I", "LOVE", "你"],
    ]
    assert read_sentences(files[1:], "char") == [list("今天去银行"), list("ILOVE你")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("plain", "你好\n".encode() + "你".encode("gb18030"), r"plain:2: not UTF-8 at byte 0"),
        ("plain", b"\n\n", "plain: no text"),
        ("plain", b"", "plain: no text"),
        ("plain", "……\n，。\n".encode(), "every line is empty after normalisation"),
        ("text", "u1 你\nu1 好\n".encode(), "text:2: duplicate id u1"),
        ("text", b"u1\n", "text:1: u1: no value"),
        ("text", b"u1 \xff\n", "text:1: u1: not UTF-8"),
    ],
)
def test_bad_text_is_named(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_sentences([tmp_path / name])


def test_missing_files_and_levels_are_named(tmp_path):
    (tmp_path / "plain").write_text("你好\n", encoding="utf-8")
    for name in ("nowhere", "text"):
        with pytest.raises(FileNotFoundError, match=name):
            read_sentences([tmp_path / "plain", tmp_path / name])
    with pytest.raises(ValueError, match="named twice"):
        read_sentences([tmp_path / "plain", tmp_path / "." / "plain"])
    with pytest.raises(ValueError, match="at least one"):
        read_sentences([])
    with pytest.raises(ValueError, match="word, char; got 'bpe'"):
        read_sentences([tmp_path / "plain"], "bpe")


@given(st.lists(st.text("今天，去 AB'\u00a0\u3000\x85.9", max_size=8), max_size=6))
def test_tokens_of_any_lines_are_their_normalised_text(lines):
    plain = [normalize_text(line) for line in lines if normalize_text(line)]
    for level in LEVELS:
        if plain:
            sentences = segment_lines(lines, level)
            assert ["".join(tokens) for tokens in sentences] == plain
            assert all(token for tokens in sentences for token in tokens)
        else:
            with pytest.raises(ValueError, match="text: no text"):
                segment_lines(lines, level)
