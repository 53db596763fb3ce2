import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.data import english
from speechmoe_espnet.data.english import PHONES, pronunciations, read_ahead
from speechmoe_espnet.data.segmentation import is_latin, segment


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("HELLO", "HH AH L OW|HH EH L OW"),
        ("A", "EY|AH"),
        ("I", "AY"),
        ("W", "D AH B AH L Y UW"),
        ("OK", "OW K EY"),
        ("DONT", "D OW N T|D OW N"),
        ("WELL", "W EH L|W IY L|W IH L"),
        ("CAFÉ", "K AH F EY|K AE F EY"),
        ("KFC", "K EY EH F S IY"),
        ("ABC", "EY B IY S IY"),
        ("XQZWK", "EH K S K Y UW Z IY D AH B AH L Y UW K EY"),
        ("Ə", ""),
    ],
)
def test_without_espeak(word: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(english, "phones_of", forbidden)
    assert "|".join(map(" ".join, pronunciations(word))) == expected


def forbidden(words: list[str]) -> list[tuple[str, ...]]:
    assert not words, f"espeak-ng was asked for {words}"
    return []


def test_by_espeak() -> None:
    pytest.importorskip("espeakng_loader")
    assert " ".join(pronunciations("BLOCKCHAINS")[0]) == "B L AA K CH EY N Z"
    assert " ".join(pronunciations("HDMIX")[-1]) == "EY CH D IY EH M AY EH K S"


def test_every_letter_has_its_name() -> None:
    names = {pronunciations(letter)[0] for letter in string.ascii_uppercase}
    assert len(names) == 26


@given(st.text(string.ascii_uppercase, min_size=1) | st.text("ÉAÑŁßÆXZ", min_size=1))
def test_every_word_is_read_in_phones(text: str) -> None:
    pytest.importorskip("espeakng_loader")
    for word in filter(is_latin, segment(text)):
        found = pronunciations(word)
        assert found == pronunciations(word)
        assert len(set(found)) == len(found)
        assert bool(found) == any(c in string.ascii_uppercase for c in english._fold(word))
        assert all(units and PHONES.issuperset(units) for units in found)


def test_reading_ahead_starts_espeak_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def phones_of(words: list[str]) -> list[tuple[str, ...]]:
        asked.append(words)
        return [("AA",) for _ in words]

    monkeypatch.setattr(english, "phones_of", phones_of)
    monkeypatch.setattr(english, "_guessed", {})
    read_ahead(["WUGGLE", "BLICKETING", "HELLO", "KFC", "A", "WUGGLE"])
    read_ahead(["WUGGLE"])
    assert pronunciations("WUGGLE") == (("AA",),)
    assert [words for words in asked if words] == [["BLICKETING", "WUGGLE"]]
