import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tiny_graph import LEXICON, TOKENS

from speechmoe_espnet.decode.hypothesis import Word
from speechmoe_espnet.decode.word_times import align_words, units_of_path


@given(st.lists(st.integers(0, 3), max_size=12))
def test_units_and_spans_are_those_of_the_path(path):
    units, spans = units_of_path(path, range(len(path)), len(path))
    groups = [(unit, len(list(group))) for unit, group in itertools.groupby(path)]
    ends = list(itertools.accumulate(length for _, length in groups))
    expected = [
        (unit, (end - length, end))
        for (unit, length), end in zip(groups, ends, strict=True)
        if unit
    ]
    assert list(zip(units, spans, strict=True)) == expected


def test_skipped_frames_count_in_times():
    units, spans = units_of_path([0, 2, 2, 0, 3], [0, 4, 5, 6, 9], 10)
    assert (units, spans) == ((2, 3), ((4, 6), (9, 10)))


@given(st.data())
def test_words_cover_their_units(data):
    words = data.draw(st.lists(st.sampled_from(sorted(LEXICON)), max_size=5))
    said = [data.draw(st.sampled_from(LEXICON[word])) for word in words]
    units = [unit for part in said for unit in part]
    spans = [(3 * place, 3 * place + 2) for place in range(len(units))]
    found = align_words(words, units, spans, LEXICON)
    ends = list(itertools.accumulate(map(len, said)))
    expected = [
        Word(word, 3 * (end - len(part)), 3 * (end - 1) + 2)
        for word, part, end in zip(words, said, ends, strict=True)
    ]
    assert list(found) == expected


@given(
    st.lists(st.sampled_from(sorted(LEXICON)), max_size=3),
    st.lists(st.sampled_from(TOKENS.units), max_size=4),
)
def test_other_units_are_an_error(words, units):
    choices = itertools.product(*(LEXICON[word] for word in words))
    assume(all([unit for part in choice for unit in part] != units for choice in choices))
    with pytest.raises(ValueError, match="are not the units of"):
        align_words(words, units, [(0, 1)] * len(units), LEXICON)
