import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.lm.vocabulary import RESERVED, Vocabulary, check_word

SENTENCES = [["今天", "去", "银行"], ["今天", "KTV", "5"], ["天"]]
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1).filter(
    lambda word: word.split() == [word] and word not in RESERVED
)
TEXTS = st.lists(st.lists(st.text("甲乙丙A", min_size=1, max_size=3), min_size=1), min_size=1)


def test_rare_words_are_split_and_every_character_is_a_word():
    vocabulary = Vocabulary.from_sentences(SENTENCES, min_count=2)
    assert " ".join(f"{word}:{count}" for word, count in vocabulary.counts.items()) == (
        "今天:2 5:1 KTV:1 去:1 天:1 行:1 银:1 K:0 T:0 V:0 今:0"
    )
    assert vocabulary.unseen == ["K", "T", "V", "今"]
    assert vocabulary.split(["银行", "今天", "KTV", "今", "外星"]) == [
        *("银", "行", "今天", "KTV", "今", "外", "星")
    ]
    assert Vocabulary.from_sentences(SENTENCES).split(["银行"]) == ["银行"]


@given(TEXTS, st.integers(1, 4))
def test_the_split_text_is_known_and_matches_the_counts(sentences, min_count):
    vocabulary = Vocabulary.from_sentences(sentences, min_count)
    split = [word for sentence in sentences for word in vocabulary.split(sentence)]
    assert "".join(split) == "".join(word for sentence in sentences for word in sentence)
    assert all(split.count(word) == count for word, count in vocabulary.counts.items())
    assert set(split) <= set(vocabulary.counts)
    assert set("".join(split)) <= set(vocabulary.counts)
    assert list(vocabulary.counts.values()) == sorted(vocabulary.counts.values(), reverse=True)


@given(st.dictionaries(WORDS, st.integers(0, 10**9), min_size=1))
def test_round_trip(counts):
    with tempfile.TemporaryDirectory() as folder:
        counts = {unicodedata.normalize("NFC", word): count for word, count in counts.items()}
        Vocabulary(counts).write(Path(folder) / "vocab")
        assert list(Vocabulary.read(Path(folder) / "vocab").counts.items()) == list(counts.items())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "vocab: no words"),
        ("你 1\n好\n", "vocab:2: a line is a word"),
        ("你 1\n好 -1\n", "vocab:2: a line is a word"),
        ("你 ١\n", "vocab:1: a line is a word"),
        ("你 1\n你 2\n", "vocab:2: word 你 occurs twice"),
        ("<s> 1\n", "vocab:1: word <s> is reserved"),
        ("你\u3000好 1\n", "vocab:1: word '你\\\\u3000好' must not"),
    ],
)
def test_bad_files_are_named(content, message, tmp_path):
    (tmp_path / "vocab").write_text(content, encoding="utf-8", newline="\n")
    with pytest.raises(ValueError, match=message):
        Vocabulary.read(tmp_path / "vocab")


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*vocab"):
        Vocabulary.read(tmp_path / "vocab")
    (tmp_path / "vocab").write_bytes(b"a 1\n\xff 1\n")
    with pytest.raises(ValueError, match="vocab:2: not UTF-8"):
        Vocabulary.read(tmp_path / "vocab")


@pytest.mark.parametrize("word", ["", " ", "a b", "a\u00a0", "a\x85b", "\x00", "\ud800"])
def test_words_that_are_not_allowed_in_model_files(word):
    with pytest.raises(ValueError, match="must not be empty or contain white space"):
        check_word(word)
    with pytest.raises(ValueError, match="white space"):
        Vocabulary.from_sentences([["好", word]])


def test_other_mistakes():
    with pytest.raises(ValueError, match="min_count must be at least 1, got 0"):
        Vocabulary.from_sentences(SENTENCES, 0)
    with pytest.raises(ValueError, match="no text"):
        Vocabulary.from_sentences([[]])
    with pytest.raises(ValueError, match="word </s> is reserved"):
        Vocabulary.from_sentences([["</s>"]])
