"""Phonemes of Kokoro: every reading has some, tones and sandhi are heard, words are apart."""

import re

import pytest
from pypinyin.pinyin_dict import pinyin_dict

from speechmoe_espnet.corpora.synthetic.kokoro import FIRST_VOCABULARY
from speechmoe_espnet.corpora.synthetic.phonemes import _ipa, to_phonemes
from speechmoe_espnet.corpora.synthetic.pinyin import readings


def phonemes(text: str) -> str:
    return to_phonemes(text, FIRST_VOCABULARY)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("妈", "ma→"),
        ("麻", "ma↗"),
        ("马", "ma↓"),
        ("骂", "ma↘"),
        ("吗", "ma"),
        ("知", "\uab67ɨ→"),
        ("四", "sɨ↘"),
        ("女", "ny↓"),
        ("二", "ɚ↘"),
        ("今天去银行", "ʨi→ntʰjɛ→n ʨʰy↘ i↗nxa↗ŋ"),
        ("喂，你好吗？", "wei↘, ni↗xau↓ ma?"),
    ],
)
def test_known_spellings(text, expected):
    assert phonemes(text) == expected


@pytest.mark.parametrize(
    ("text", "tones"),
    [
        *(("你好", "↗↓"), ("展览馆", "↗↗↓"), ("我想去", "↗↓↘"), ("领导友好", "↗↓↗↓")),
        *(("不是", "↗↘"), ("不好", "↘↓"), ("不来", "↘↗"), ("好不好", "↓↘↓")),
        *(("一个", "↗↘"), ("一定", "↗↘"), ("一天", "↘→"), ("一年", "↘↗"), ("一起", "↘↓")),
        *(
            ("第一名", "↘→↗"),
            ("十一", "↗→"),
            ("唯一的", "↗→"),
            ("看一看", "↘↗↘"),
            ("一月", "→↘"),
            ("星期一去", "→→→↘"),
        ),
    ],
)
def test_sandhi(text, tones):
    """Alone and in a sentence."""
    assert _tones(text) == tones
    assert _tones(f"今天说{text}说今天") == f"→→→{tones}→→→"


def _tones(text: str) -> str:
    return re.sub("[^↗↓↘→]", "", phonemes(text))


def test_every_reading_of_common_hanzi_has_phonemes():
    common = [chr(code) for code in pinyin_dict if 0x4E00 <= code <= 0x9FA5]
    spelled, failed = 0, {}
    for character in common:
        try:
            spelled += bool(phonemes(character))
        except ValueError as error:
            failed[readings(character)[0]] = str(error)
    assert not failed, failed
    assert spelled > 20000


def test_phonemes_are_those_of_misaki():
    """The model was trained with the phonemes of that package (not needed otherwise)."""
    transcription = pytest.importorskip("misaki.transcription", reason="misaki is not installed")
    syllables = {
        reading
        for code in pinyin_dict
        if 0x4E00 <= code <= 0x9FA5
        for reading in readings(chr(code))
    }
    assert len(syllables) > 1200
    tones = (("˧˩˧", "↓"), ("˧˥", "↗"), ("˥˩", "↘"), ("˥", "→"))
    marks = (("ɻ\u0329", "ɨ"), ("ɹ\u0329", "ɨ"), ("\u032f", ""))
    for syllable in sorted(syllables):
        expected = "".join(transcription.pinyin_to_ipa(syllable)[0])
        for found, symbol in (*tones, *marks):
            expected = expected.replace(found, symbol)
        assert _ipa(syllable) == expected


def test_letters_are_read_in_english():
    assert phonemes("打开GPS") == f"{phonemes('打开')} ʤˈipˈiˈɛs"


@pytest.mark.parametrize("text", ["第3号", "a", "你好~", "你 好", "あ", "☺"])
def test_what_has_no_reading_is_an_error(text):
    with pytest.raises(ValueError, match=r"no reading for|readings do not match"):
        phonemes(text)


def test_bopomofo_is_for_models_that_know_it():
    with pytest.raises(ValueError, match=r"Bopomofo, for which \w+ is missing|in the model"):
        to_phonemes("你好", [*FIRST_VOCABULARY, "ㄅ"])
