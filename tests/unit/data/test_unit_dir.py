from pathlib import Path

import pytest

from speechmoe_espnet.data.kaldi_dir import read_table
from speechmoe_espnet.data.tokens import TokenList
from speechmoe_espnet.data.unit_dir import make_units


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    sets = {
        "train": "a 我想听歌\nb 我想看书\nc 听AB\n",
        "dev": "d 我想唱歌唱\ne 看C\n",
        "read": "f 你好\n",
    }
    for name, text in sets.items():
        (tmp_path / "dump" / name).mkdir(parents=True)
        (tmp_path / "dump" / name / "text").write_text(text, encoding="utf-8")
    return tmp_path / "dump"


def test_char(dump: Path, tmp_path: Path) -> None:
    tokens, coverage = make_units("char", dump / "train", [dump / "dev", dump / "read"], tmp_path)
    assert tokens.units == tuple(sorted("我想听歌看书AB"))
    assert TokenList.load(tmp_path / "tokens.txt") == tokens
    assert [str(line) for line in coverage] == [
        "train: 0 of 11 units out of vocabulary (0.00 %)",
        "dev: 3 of 7 units out of vocabulary (42.86 %): 唱 2, C 1",
        "read: 2 of 2 units out of vocabulary (100.00 %): 你 1, 好 1",
    ]


def test_syllable_phone(dump: Path, tmp_path: Path) -> None:
    tokens, coverage = make_units("syllable_phone", dump / "train", [dump / "dev"], tmp_path)
    assert " ".join(tokens.units) == "AE B ge1 kan4 shu1 ting1 wo3 xiang3"
    assert read_table(tmp_path / "train" / "text")["c"] == "ting1 AE B"
    assert read_table(tmp_path / "dev" / "text")["e"] == "kan4 S IY"
    assert coverage[1].unknown == (("chang4", 2), ("IY", 1), ("S", 1))


def test_bpe_and_taking_over(dump: Path, tmp_path: Path) -> None:
    tokens, _ = make_units("bpe", dump / "train", [], tmp_path / "one", num_pieces=12)
    assert {"我想", "书"} <= set(tokens.units)
    taken, coverage = make_units(
        "bpe", dump / "dev", [], tmp_path / "two", token_list=tmp_path / "one" / "tokens.txt"
    )
    assert taken == tokens
    for name in ("tokens.txt", "bpe.model"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    assert coverage[0].num_unknown == 3
    (tmp_path / "one" / "bpe.model").unlink()
    with pytest.raises(FileNotFoundError, match="needs the SentencePiece model beside"):
        make_units("bpe", dump / "dev", [], tmp_path, token_list=tmp_path / "one" / "tokens.txt")


def test_taking_over_keeps_the_order(dump: Path, tmp_path: Path) -> None:
    content = "<blank>\n<unk>\n书\n想\n听\n<sos/eos>\n"
    (tmp_path / "tokens.txt").write_text(content, encoding="utf-8")
    make_units("char", dump / "train", [], tmp_path / "x", token_list=tmp_path / "tokens.txt")
    assert (tmp_path / "x" / "tokens.txt").read_text(encoding="utf-8") == content
    characters = tmp_path / "tokens.txt"
    with pytest.raises(ValueError, match=r"has none of the units .* its token_type syllable_phone"):
        make_units("syllable_phone", dump / "train", [], tmp_path, token_list=characters)


@pytest.mark.parametrize(
    ("kind", "units", "more"),
    [
        ("char", "书 想", "A B 听 我 歌 看"),
        ("syllable_phone", "shu1", "AE B ge1 kan4 ting1 wo3 xiang3"),
    ],
)
def test_a_list_is_extended_by_the_units_of_training_alone(
    dump: Path, tmp_path: Path, kind: str, units: str, more: str
) -> None:
    theirs = tmp_path / "tokens.txt"
    theirs.write_text("\n".join(["<blank>", "<unk>", *units.split(), "<sos/eos>", ""]))
    made = tmp_path / "x"
    tokens, coverage = make_units(
        kind, dump / "train", [dump / "dev"], made, token_list=theirs, extend=True
    )
    assert " ".join(tokens.units) == f"{units} {more}"
    assert TokenList.load(made / "tokens.txt") == tokens
    assert coverage[0].num_unknown == 0
    assert coverage[1].num_unknown > 0
    theirs.write_text("<blank>\n<unk>\n外\n<sos/eos>\n")
    with pytest.raises(ValueError, match="has none of the units"):
        make_units(kind, dump / "train", [], made, token_list=theirs, extend=True)


def test_mistakes(dump: Path, tmp_path: Path) -> None:
    train = dump / "train"
    with pytest.raises(ValueError, match="token_type must be one of char, bpe, syllable_phone"):
        make_units("chars", train, [], tmp_path)
    with pytest.raises(ValueError, match="needs nbpe"):
        make_units("bpe", train, [], tmp_path)
    with pytest.raises(ValueError, match="nbpe is for token_type bpe"):
        make_units("char", train, [], tmp_path, num_pieces=10)
    with pytest.raises(ValueError, match="two sets are named train"):
        make_units("char", train, [train], tmp_path)
    (dump / "dev" / "text").write_text("d 。\n", encoding="utf-8")
    with pytest.raises(ValueError, match="dev/text: d: no units in '。'"):
        make_units("char", train, [dump / "dev"], tmp_path)
    (dump / "dev" / "text").write_text("")
    with pytest.raises(ValueError, match="no utterances"):
        make_units("char", train, [dump / "dev"], tmp_path)
    for kind, given in (("char", None), ("bpe", "tokens.txt")):
        with pytest.raises(ValueError, match="extend is for a token_list of token_type char or"):
            make_units(kind, train, [], tmp_path, token_list=given, extend=True)
