"""Units written as text, for each kind of unit."""

from pathlib import Path

import pytest
import sentencepiece

from speechmoe_espnet.decode import unit_text
from speechmoe_espnet.decode.unit_text import SPACE, UnitText


def test_characters_are_joined_and_special_units_have_no_text() -> None:
    text = UnitText(["<blank>", "<unk>", "<space>", "好", "你", "<sos/eos>"], "char")
    assert text([4, 3, 1, 2, 3, 5, 2]) == "你好 好"
    assert text([1, 5]) == ""


def test_syllables_are_separated() -> None:
    text = UnitText(["<blank>", "<unk>", "hao3", "ni3", "<sos/eos>"], "word")
    assert text([3, 1, 2]) == "ni3 hao3"


def test_pieces_are_joined(tmp_path: Path) -> None:
    corpus = tmp_path / "text"
    corpus.write_text("今天天气很好\n你好\nHELLO WORLD\n" * 20, encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(tmp_path / "bpe"),
        vocab_size=28,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "bpe.model"))
    known = [pieces.id_to_piece(i) for i in range(3, pieces.get_piece_size())]
    units = ["<blank>", "<unk>", *known, "<sos/eos>"]
    text = UnitText(units, "bpe", tmp_path / "bpe.model")
    ids = [units.index(piece) for piece in pieces.encode("HELLO 你好", out_type=str)]
    assert text([*ids, len(units) - 1]) == "HELLO 你好"


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'phone' is not one of char, word, bpe"):
        UnitText(["<blank>"], "phone")
    with pytest.raises(ValueError, match="names none, but its token_type is bpe"):
        UnitText(["<blank>"], "bpe")
    with pytest.raises(FileNotFoundError, match="no SentencePiece model"):
        UnitText(["<blank>"], "bpe", tmp_path / "none.model")


@pytest.mark.parametrize(
    ("token_type", "units", "words"),
    [
        ("char", "一 二", [("一", 0, 1), ("二", 2, 3)]),
        ("char", "ab'c 一d", [("ab'c", 0, 4), ("一", 5, 6), ("d", 6, 7)]),
        ("word", ["ni3", "hao3", "<unk>", "ni3"], [("ni3", 0, 1), ("hao3", 1, 2), ("ni3", 3, 4)]),
    ],
)
def test_words_are_what_has_a_time(token_type, units, words):
    units = [SPACE if unit == " " else unit for unit in units]
    known = ["<blank>", *dict.fromkeys(units), "<sos/eos>"]
    text = UnitText(known, token_type)
    assert text.words([known.index(unit) for unit in units]) == words


def test_words_of_pieces_begin_at_their_mark(monkeypatch):
    monkeypatch.setattr(unit_text, "_joiner", lambda *_: "".join)
    text = UnitText(["<blank>", "▁a", "b", "▁", "c", "▁一", "<sos/eos>"], "bpe")
    found = [word for word, _, _ in text.words([1, 2, 1, 3, 4, 5, 5, 2])]
    assert found == ["ab", "a", "c", "一", "一", "b"]
