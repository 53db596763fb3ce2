"""Units written as text, for each kind of unit."""

from pathlib import Path

import pytest
import sentencepiece

from speechmoe_espnet.decode.unit_text import UnitText


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
