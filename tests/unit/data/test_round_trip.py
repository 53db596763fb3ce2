"""From text to units and back through the lexicon, for real and for random transcripts."""

import random
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.data.lexicon import Lexicon
from speechmoe_espnet.data.lexicon_build import build_lexicon
from speechmoe_espnet.data.segmentation import segment
from speechmoe_espnet.data.text_norm import normalize_text
from speechmoe_espnet.data.unit_dir import make_units
from speechmoe_espnet.data.units import SyllablePhoneTokenizer

AISHELL = Path(__file__).parents[4] / "shared/data/aishell1_s0150/data_aishell/transcript"
TOKENIZER = SyllablePhoneTokenizer()
INSERTED = ("wifi", " hello world ", "NBA", "A", "12", "007", "don't", " K歌 ", "花儿", "一会儿")


def accepts(lexicon: Lexicon, words: list[str], units: list[str]) -> bool:
    """Whether pronunciations of the words, one each, join to the units."""
    ends = {0}
    for word in words:
        ends = {
            end + len(reading)
            for end in ends
            for reading in lexicon.entries.get(word, ())
            if tuple(units[end : end + len(reading)]) == reading
        }
    return len(units) in ends


def can_be_written(lexicon: Lexicon, text: str, units: list[str]) -> bool:
    """Whether words of the lexicon, in any segmentation, spell both the text and the units."""
    by_length = defaultdict(set)
    for word in lexicon.entries:
        by_length[len(word)].add(word)
    states = {0: {0}}
    for position in range(len(text)):
        for end in states.get(position, ()):
            for length, words in by_length.items():
                word = text[position : position + length]
                if word in words:
                    for reading in lexicon.entries[word]:
                        if tuple(units[end : end + len(reading)]) == reading:
                            states.setdefault(position + length, set()).add(end + len(reading))
    return len(units) in states.get(len(text), ())


def test_acceptance_can_fail() -> None:
    lexicon = Lexicon({"银行": (("yin2", "hang2"),), "行": (("xing2",), ("hang2",))})
    assert accepts(lexicon, ["银行", "行"], ["yin2", "hang2", "xing2"])
    assert not accepts(lexicon, ["银行", "行"], ["yin2", "hang2"])
    assert not accepts(lexicon, ["银行"], ["yin2", "hang2", "xing2"])
    assert not accepts(lexicon, ["银", "行"], ["yin2", "hang2"])
    assert can_be_written(lexicon, "行银行", ["hang2", "yin2", "hang2"])
    assert not can_be_written(lexicon, "行银行", ["yin2", "hang2", "hang2"])


@pytest.fixture(scope="module")
def transcripts() -> list[str]:
    if not AISHELL.is_dir():
        pytest.skip(f"no AISHELL-1 transcripts in {AISHELL}")
    chosen = random.Random(0)
    sentences = []
    for path in sorted(AISHELL.iterdir()):
        for line in path.read_text(encoding="utf-8").splitlines():
            text = line.split(maxsplit=1)[1]
            sentences.append(text)
            position = chosen.randrange(len(text) + 1)
            sentences.append(text[:position] + chosen.choice(INSERTED) + text[position:])
    return sentences


def test_real_transcripts(transcripts: list[str], tmp_path: Path) -> None:
    assert len(transcripts) >= 1000
    (tmp_path / "train").mkdir()
    utterances = {f"u{number:05d}": text for number, text in enumerate(transcripts)}
    lines = "".join(f"{utterance} {text}\n" for utterance, text in utterances.items())
    (tmp_path / "train" / "text").write_text(lines, encoding="utf-8")
    tokens, coverage = make_units("syllable_phone", tmp_path / "train", [], tmp_path / "units")
    assert coverage[0].num_unknown == 0
    words = {word for text in transcripts for word in segment(text)}
    build = build_lexicon(words, transcripts, units=tokens.units)
    assert build.oov == ()
    assert build.num_dropped_occurrences == 0
    build.lexicon.check_units(tokens.units)
    build.lexicon.write(tmp_path / "lexicon.txt")
    lexicon = Lexicon.load(tmp_path / "lexicon.txt")
    targets = (tmp_path / "units" / "train" / "text").read_text(encoding="utf-8").splitlines()
    for line in targets:
        utterance, *units = line.split()
        text = utterances[utterance]
        assert accepts(lexicon, segment(text), units), text
        assert can_be_written(lexicon, normalize_text(text), units), text


PARTS = st.lists(st.text("今天去银行长还得了地一不会花儿女子") | st.sampled_from(INSERTED))


@given(st.lists(PARTS.map("".join), min_size=1, max_size=8))
def test_made_up_transcripts(sentences: list[str]) -> None:
    words = {word for sentence in sentences for word in segment(sentence)}
    if not words:
        return
    units = {unit for sentence in sentences for unit in TOKENIZER.text_to_units(sentence)}
    build = build_lexicon(words, sentences, units=units)
    assert build.oov == ()
    for sentence in sentences:
        found = TOKENIZER.text_to_units(sentence)
        assert accepts(build.lexicon, segment(sentence), found)
        assert not accepts(build.lexicon, segment(sentence), [*found, "hao3"])
