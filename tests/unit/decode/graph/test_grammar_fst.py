"""Grammars of other people's ARPA files: what was checked is what the graph is built from."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_graph import LEXICON, TOKENS, random_grammar

from speechmoe_espnet.decode.graph.build import build_graph
from speechmoe_espnet.lm.arpa import NgramModel, read_arpa, write_arpa

CASES = Path(__file__).parents[5] / "shared" / "cases" / "arpa"

# What other tools write, none of which changes the model.
DIALECTS = {
    "crlf": lambda text: text.replace("\n", "\r\n"),
    "cr": lambda text: text.replace("\n", "\r"),
    "byte order mark": lambda text: "\ufeff" + text,
    "comment": lambda text: "made by a tool\n\n" + text,
    "spaces": lambda text: text.replace("\t", " "),
    "blanks at line ends": lambda text: text.replace("\n", " \t\n"),
    "more empty lines": lambda text: text.replace("\n", "\n\n"),
    "no last line end": lambda text: text.rstrip("\n"),
    "counts with spaces": lambda text: text.replace("ngram ", "ngram  ").replace("=", " = "),
    "text after the end": lambda text: text + "\nmore\n",
}


def graph_of(path: Path) -> bytes:
    fst = build_graph(LEXICON, path, TOKENS.tokens).fst
    return fst.arcs.tobytes() + fst.final.tobytes()


def with_zero_backoffs(text: str, order: int) -> str:
    """Give every n-gram of the highest order a back-off of 0, as KenLM's filter may."""
    head, section, tail = text.partition(f"\\{order}-grams:\n")
    lines = [f"{line}\t0" if "\t" in line else line for line in tail.split("\n")]
    return head + section + "\n".join(lines)


@settings(max_examples=25)
@given(
    st.integers(0, 10**6),
    st.integers(1, 3),
    st.lists(st.sampled_from(sorted(DIALECTS)), unique=True),
    st.booleans(),
    st.booleans(),
)
def test_every_dialect_of_a_model_gives_the_same_graph(
    tmp_path_factory, seed, order, dialects, zipped, zeros
):
    folder = tmp_path_factory.mktemp("arpa")
    model = random_grammar(list(LEXICON), order, np.random.default_rng(seed))
    write_arpa(folder / "plain.arpa", model)
    text = (folder / "plain.arpa").read_text(encoding="utf-8")
    if zeros:
        text = with_zero_backoffs(text, model.order)
    # A byte order mark stands at the beginning of a file, whatever else was done to it.
    for name in sorted(dialects, key=lambda name: name == "byte order mark"):
        text = DIALECTS[name](text)
    path = folder / ("other.arpa.gz" if zipped else "other.arpa")
    content = text.encode("utf-8")
    path.write_bytes(gzip.compress(content) if zipped else content)
    expected = graph_of(folder / "plain.arpa")
    assert graph_of(path) == expected
    assert len(expected) > 0


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.integers(1, 3), st.sampled_from(["<s>", "</s>"]))
def test_models_without_sentence_ends_are_refused(tmp_path_factory, seed, order, word):
    folder = tmp_path_factory.mktemp("arpa")
    model = random_grammar(list(LEXICON), order, np.random.default_rng(seed))
    kept = {ngram: value for ngram, value in model.ngrams.items() if word not in ngram}
    used = max(map(len, kept))
    write_arpa(folder / "lm.arpa", NgramModel(used, kept))
    read_arpa(folder / "lm.arpa")
    with pytest.raises(ValueError, match=rf"lm\.arpa: has no {word}, the"):
        graph_of(folder / "lm.arpa")


@pytest.mark.parametrize("word", ["<eps>", "#0"])
def test_reserved_words_are_refused(tmp_path, word):
    model = random_grammar([*LEXICON, word], 1, np.random.default_rng(0))
    write_arpa(tmp_path / "lm.arpa", model)
    with pytest.raises(ValueError, match=rf"lm\.arpa: {word}: reserved names"):
        graph_of(tmp_path / "lm.arpa")


def test_a_graph_without_sentences_is_an_error(tmp_path):
    never = -99.0
    ngrams = {("<s>",): (never, 0.0), ("</s>",): (-1.0, 0.0), ("外",): (-1.0, 0.0)}
    write_arpa(tmp_path / "lm.arpa", NgramModel(1, ngrams))
    with pytest.raises(ValueError, match=r"lm\.arpa: has none of the 5 words"):
        graph_of(tmp_path / "lm.arpa")
    # A word that only follows one that the lexicon lacks.
    ngrams |= {("甲",): (-1.0, 0.0), ("<s>", "外"): (-1.0, 0.0)}
    write_arpa(tmp_path / "lm.arpa", NgramModel(2, ngrams))
    assert graph_of(tmp_path / "lm.arpa")


def test_probabilities_above_one_by_rounding_are_written_as_one(tmp_path):
    model = random_grammar(list(LEXICON), 2, np.random.default_rng(0))
    ngrams = {**model.ngrams, ("甲",): (0.00005, model.ngrams["甲",][1])}
    write_arpa(tmp_path / "lm.arpa", NgramModel(2, ngrams))
    assert "\t甲" in (tmp_path / "lm.arpa").read_text(encoding="utf-8")
    assert read_arpa(tmp_path / "lm.arpa").ngrams["甲",][0] == 0.0


@pytest.mark.skipif(not CASES.is_dir(), reason=f"no {CASES}")
@pytest.mark.parametrize(
    ("name", "same_as"),
    [
        ("crlf.arpa", "srilm.arpa"),
        ("gz.arpa.gz", "srilm.arpa"),
        ("backoff_0_at_highest_order.arpa", "kenlm.arpa"),
        ("no_eos.arpa", None),
        ("no_bos.arpa", None),
        ("minus_inf.arpa", None),
    ],
)
def test_files_of_other_tools(name, same_as):
    from speechmoe_espnet.data.lexicon import Lexicon
    from speechmoe_espnet.data.tokens import TokenList

    lexicon = Lexicon.load(CASES / "lexicon.txt").entries
    tokens = TokenList.load(CASES / "tokens.txt").tokens
    if same_as is None:
        with pytest.raises(ValueError, match=name):
            build_graph(lexicon, CASES / name, tokens)
        return
    built, expected = (build_graph(lexicon, CASES / file, tokens).fst for file in (name, same_as))
    assert built.arcs.tobytes() == expected.arcs.tobytes()
