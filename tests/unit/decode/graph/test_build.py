import numpy as np
import pytest
from tiny_graph import LEXICON, TOKENS, random_grammar

from speechmoe_espnet.decode.graph.build import build_graph
from speechmoe_espnet.lm.arpa import write_arpa


@pytest.fixture
def arpa(tmp_path):
    path = tmp_path / "lm.arpa"
    write_arpa(path, random_grammar(list(LEXICON), 2, np.random.default_rng(0)))
    return path


def test_order_must_match(arpa):
    assert build_graph(LEXICON, arpa, TOKENS.tokens, order=2).order == 2
    with pytest.raises(ValueError, match=r"lm.arpa: a model of order 2, but order 3 was asked"):
        build_graph(LEXICON, arpa, TOKENS.tokens, order=3)


def test_words_missing_in_lexicon_or_grammar_are_reported(arpa):
    lexicon = {word: units for word, units in LEXICON.items() if word != "双"} | {"丁": [("c3",)]}
    graph = build_graph(lexicon, arpa, TOKENS.tokens)
    assert graph.words_without_pronunciation == ("双",)
    assert graph.words_without_probability == ("丁",)
    with pytest.raises(ValueError, match="has none of the 1 words of the lexicon"):
        build_graph({"丁": [("c3",)]}, arpa, TOKENS.tokens)


def test_same_inputs_give_the_same_graph_and_steps_are_reported(arpa):
    lines = []
    one = build_graph(LEXICON, arpa, TOKENS.tokens, report=lines.append)
    shuffled = dict(reversed(LEXICON.items()))
    two = build_graph(shuffled, arpa, TOKENS.tokens)
    np.testing.assert_array_equal(one.fst.arcs, two.fst.arcs)
    assert one.words == two.words
    names = ["G", "L", "LG, determinized", "LG, minimised", "HLG"]
    assert [step[0] for step in one.steps] == names
    assert [line.split(":")[0] for line in lines] == names
    assert one.steps[-1][1:3] == (len(one.fst.final), len(one.fst.arcs))
