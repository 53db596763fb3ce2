from pathlib import Path

import pytest

from speechmoe_espnet.bin import make_lexicon
from speechmoe_espnet.data.tokens import TokenList


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    (tmp_path / "words").write_text("银行 5\n行 2\n好 3\nOK 1\n", encoding="utf-8")
    (tmp_path / "a").write_text("银行好\n这一行\n", encoding="utf-8")
    (tmp_path / "b").write_text("好\n", encoding="utf-8")
    TokenList.from_units(["yin2", "hang2", "xing2", "hao3"]).write(tmp_path / "tokens.txt")
    return [
        *("--words", str(tmp_path / "words"), "--texts", str(tmp_path / "a"), str(tmp_path / "b")),
        *("--token_list", str(tmp_path / "tokens.txt"), "--output_dir", str(tmp_path / "out")),
    ]


def test_command(options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make_lexicon.main(options) == 0
    assert capsys.readouterr().out.splitlines() == [
        "3 words, 4 pronunciations",
        "1 words out of vocabulary, 1 of 11 occurrences (9.09 %): OK 1",
        "left out: 5 pronunciations with units not in the token list (0 occurrences), "
        "0 over the limit of 8 per word",
    ]
    lexicon = (tmp_path / "out" / "lexicon.txt").read_text(encoding="utf-8")
    assert lexicon == "好 hao3\n行 xing2\n行 hang2\n银行 yin2 hang2\n"
    assert (tmp_path / "out" / "oov.txt").read_text(encoding="utf-8") == "OK 1\n"


def test_words_without_counts(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "words").write_text("银行\nOK\n", encoding="utf-8")
    assert make_lexicon.main(options) == 0
    assert (tmp_path / "out" / "oov.txt").read_text(encoding="utf-8") == "OK 0\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("好 1 2\n", "words, line 1: expected a word and its count, got '好 1 2'"),
        ("好 x\n", "words, line 1: expected a word"),
        ("好 1\n\n", "words, line 2: expected a word"),
        ("好 1\n行\n", "words, line 2: 行: either all words have a count or none has"),
        ("好\n行 1\n", "words, line 2: 行: either all words have a count or none has"),
        ("好 1\n好 2\n", "words, line 2: 好 is listed twice"),
        ("好\n好\n", "word 好 is listed twice"),
        ("<s>\n", "word '<s>' is not normalised"),
        ("", "no words to make a lexicon from"),
    ],
)
def test_bad_words(
    words: str,
    message: str,
    options: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "words").write_text(words, encoding="utf-8")
    assert make_lexicon.main(options) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_kaldis_text_is_read_without_its_ids(options: list[str], tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("OK-001 行好\n", encoding="utf-8")
    options[options.index(str(tmp_path / "b"))] = str(text)
    assert make_lexicon.main(options) == 0
    lexicon = (tmp_path / "out" / "lexicon.txt").read_text(encoding="utf-8")
    assert lexicon == "好 hao3\n行 xing2\n行 hang2\n银行 yin2 hang2\n"


def test_words_of_a_model_of_characters(options: list[str], tmp_path: Path) -> None:
    TokenList.from_units("银行好").write(tmp_path / "tokens.txt")
    assert make_lexicon.main([*options, "--token_type", "char"]) == 0
    lexicon = (tmp_path / "out" / "lexicon.txt").read_text(encoding="utf-8")
    assert lexicon == "好 好\n行 行\n银行 银 行\n"
    assert (tmp_path / "out" / "oov.txt").read_text(encoding="utf-8") == "OK 1\n"
