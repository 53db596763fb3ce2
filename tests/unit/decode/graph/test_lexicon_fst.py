import kaldifst
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_graph import LEXICON, TOKENS

from speechmoe_espnet.decode.graph.lexicon_fst import WordList, disambiguated, lexicon_fst
from speechmoe_espnet.decode.graph.topology import backoff_label

UNIT_IDS = {token: number for number, token in enumerate(TOKENS.tokens)}
LEXICONS = st.dictionaries(
    st.sampled_from("甲乙丙丁戊"),
    st.lists(
        st.lists(st.sampled_from(TOKENS.units), min_size=1, max_size=3).map(tuple),
        min_size=1,
        max_size=3,
        unique=True,
    ),
    min_size=1,
)


@given(LEXICONS)
def test_pronunciations_with_symbols_are_distinct_and_prefix_free(lexicon):
    entries = list(disambiguated(lexicon))
    assert sorted((word, units) for word, units, _ in entries) == sorted(
        (word, units) for word, all_ in lexicon.items() for units in all_
    )
    said = [(*units, number) if number else units for _, units, number in entries]
    for place, one in enumerate(said):
        for other in said[:place] + said[place + 1 :]:
            assert one != other[: len(one)]


@settings(max_examples=30)
@given(LEXICONS)
def test_reads_each_pronunciation_and_writes_its_word(lexicon):
    words = WordList.of_lexicon(sorted(lexicon))
    arrays, _ = lexicon_fst(lexicon, words.ids, UNIT_IDS)
    fst = arrays.to_fst()
    kaldifst.arcsort(fst, "ilabel")
    backoff = backoff_label(len(TOKENS))
    for word, units, number in disambiguated(lexicon):
        labels = [UNIT_IDS[unit] + 1 for unit in units] + ([backoff + number] if number else [])
        best = kaldifst.shortest_path(
            kaldifst.compose(kaldifst.make_linear_acceptor(labels * 2), fst)
        )
        assert kaldifst.get_linear_symbol_sequence(best)[2] == [words.ids[word]] * 2


def test_mistakes_are_named():
    words = WordList.of_lexicon(sorted(LEXICON))
    with pytest.raises(ValueError, match="lexicon: 甲: no pronunciation"):
        lexicon_fst({"甲": [()]}, words.ids, UNIT_IDS)
    with pytest.raises(ValueError, match="lexicon: 甲: d4 is not among the units of the model"):
        lexicon_fst({"甲": [("a1", "d4")]}, words.ids, UNIT_IDS)
    with pytest.raises(ValueError, match="#0: reserved"):
        WordList.of_lexicon(["甲", "#0"])


@given(st.lists(st.text("甲乙ABC丙'", min_size=1, max_size=4), unique=True, max_size=5))
def test_word_lists_are_read_back(words):
    word_list = WordList.of_lexicon(words)
    assert WordList.from_text(word_list.to_text()) == word_list


@pytest.mark.parametrize("text", ["<eps> 0\n甲 2\n", "<eps> 0\n甲\n", "<eps> 0 0\n", "\n"])
def test_damaged_word_lists_name_the_line(text):
    with pytest.raises(ValueError, match=r"line [12]: expected `word"):
        WordList.from_text(text)
