import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.data.english import PHONES
from speechmoe_espnet.data.segmentation import segment
from speechmoe_espnet.data.syllables import is_syllable
from speechmoe_espnet.data.text_norm import normalize_text
from speechmoe_espnet.data.units import BpeTokenizer, CharTokenizer, SyllablePhoneTokenizer

TEXTS = [f"我想听歌曲{first}{second}" for first in "一二三四五" for second in "甲乙丙ABC12"]
SYLLABLE_PHONE = SyllablePhoneTokenizer()
BPE = BpeTokenizer.train(TEXTS, 40)


@given(st.text())
def test_char_round_trip(text: str) -> None:
    tokenizer = CharTokenizer()
    assert tokenizer.units_to_text(tokenizer.text_to_units(text)) == normalize_text(text)


@given(st.text() | st.text("我想听歌曲一二甲乙丙ABC12"))
def test_bpe_round_trip(text: str) -> None:
    assert BPE.units_to_text(BPE.text_to_units(text)) == normalize_text(text)


@given(st.text() | st.text("我想听行长了嗯呣欸一不花儿女ABÉWIFI12 あ,'"))
def test_syllables_and_phones(text: str) -> None:
    units = SYLLABLE_PHONE.text_to_units(text)
    assert all(unit.split() == [unit] for unit in units)
    assert SYLLABLE_PHONE.units_to_text(units).split() == units
    assert bool(units) == bool(normalize_text(text))
    assert not any(is_syllable(unit) and unit in PHONES for unit in units)


@given(st.lists(st.text() | st.text("行长儿女一ABC wifi zzyzx12,")))
def test_read_texts_equals_reading_each_text(texts: list[str]) -> None:
    read = list(SYLLABLE_PHONE.read_texts(texts))
    assert [words for words, _ in read] == [segment(text) for text in texts]
    for text, (words, readings) in zip(texts, read, strict=True):
        assert len(words) == len(readings)
        assert [u for units in readings for u in units] == SYLLABLE_PHONE.text_to_units(text)


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("你好吗？", "ni3 hao3 ma5"),
        ("银行行长", "yin2 hang2 hang2 zhang3"),
        ("女儿绿了", "nv3 er2 lv4 le5"),
        ("打开 wifi", "da3 kai1 W AY F AY"),
        ("don't", "D OW N T"),
        ("看 NBA 的 A 股", "kan4 EH N B IY EY de5 EY gu3"),
        ("10号", "yi1 ling2 hao4"),
        ("二〇一〇", "er4 ling2 yi1 ling2"),
        ("あ好", "あ hao3"),
        ("兙", "兙"),
    ],
)
def test_syllables_and_phones_by_example(text: str, units: str) -> None:
    assert SYLLABLE_PHONE.text_to_units(text) == units.split()


def test_has_reading() -> None:
    assert all(map(SYLLABLE_PHONE.has_reading, SYLLABLE_PHONE.text_to_units("花儿 ok 12")))
    assert not any(map(SYLLABLE_PHONE.has_reading, ["あ", "兙", "A", "hao", "aa", "<unk>"]))


def test_bpe_is_deterministic() -> None:
    again = BpeTokenizer.train(TEXTS, 40)
    assert again == BPE
    assert again.model == BPE.model
    assert pickle.loads(pickle.dumps(BPE)).text_to_units("我想听") == BPE.text_to_units("我想听")


def test_bpe_pieces() -> None:
    assert len(BPE.pieces) == 37
    assert "我想听歌曲" in BPE.pieces
    assert not {"<unk>", "<s>", "</s>"} & set(BPE.pieces)
    assert BPE.text_to_units("我想听歌曲，龘")[-1] == "龘"


def test_bpe_files(tmp_path: Path) -> None:
    (tmp_path / "bpe.model").write_bytes(BPE.model)
    assert BpeTokenizer.load(tmp_path / "bpe.model") == BPE
    (tmp_path / "bpe.model").write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"bpe\.model: not a SentencePiece model"):
        BpeTokenizer.load(tmp_path / "bpe.model")


@pytest.mark.parametrize("num_pieces", [5, 100000])
def test_bpe_size_out_of_range(num_pieces: int) -> None:
    with pytest.raises(ValueError, match=f"nbpe {num_pieces} does not suit a text of 18 diff"):
        BpeTokenizer.train(TEXTS, num_pieces)


def test_bpe_without_text() -> None:
    with pytest.raises(ValueError, match="no text"):
        BpeTokenizer.train(["。"], 40)
