import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_graph import LEXICON, TOKENS, random_grammar

from speechmoe_espnet.bin import make_graph
from speechmoe_espnet.data.checksums import SUMS
from speechmoe_espnet.data.lexicon import Lexicon
from speechmoe_espnet.data.tokens import TokenList
from speechmoe_espnet.decode.graph.directory import FILES, Graph
from speechmoe_espnet.lm.arpa import write_arpa


@pytest.fixture
def inputs(tmp_path):
    Lexicon(LEXICON).write(tmp_path / "lexicon.txt")
    TOKENS.write(tmp_path / "tokens.txt")
    write_arpa(tmp_path / "lm.arpa", random_grammar(list(LEXICON), 3, np.random.default_rng(1)))
    return tmp_path


def _run(inputs, *more):
    words = ["--lexicon", inputs / "lexicon.txt", "--arpa", inputs / "lm.arpa"]
    words += ["--token_list", inputs / "tokens.txt", "--output_dir", inputs / "graph", *more]
    return make_graph.main([str(word) for word in words])


def test_graph_is_read_back_with_its_summary(inputs, capsys):
    assert _run(inputs, "--order", 3) == 0
    assert "graph of order 3: 9 words" in capsys.readouterr().out
    graph = Graph.load(inputs / "graph", TOKENS.tokens)
    summary = json.loads((inputs / "graph" / "graph.json").read_text(encoding="utf-8"))
    assert summary["arcs"] == len(graph.fst.arcs)
    assert graph.words.words[1:-3] == tuple(sorted(LEXICON))
    assert graph.lexicon.entries == LEXICON
    assert summary["peak_memory_mib"] > 1
    assert set(summary["sha256"]) == {"tokens", "lexicon", "arpa"}


def test_another_models_tokens_are_refused(inputs):
    assert _run(inputs) == 0
    others = {
        "token 2 is a4 in the model and a1 in the graph": ("a4", "b2", "c3"),
        "the model has 5 tokens, the graph 6": ("a1", "b2"),
    }
    for message, units in others.items():
        tokens = TokenList(("<blank>", "<unk>", *units, "<sos/eos>")).tokens
        expected = message if len(units) == 3 else "token 4 is <sos/eos> in the model"
        with pytest.raises(ValueError, match=expected):
            Graph.load(inputs / "graph", tokens)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from([*FILES, SUMS]),
    place=st.integers(0, 2**30),
    bits=st.integers(1, 255),
    kind=st.sampled_from(["flip", "cut", "longer"]),
)
def test_any_damage_to_any_file_is_one_line(finished, name, place, bits, kind):
    path = finished / name
    content = path.read_bytes()
    damaged = bytearray(content)
    if kind == "flip":
        damaged[place % len(content)] ^= bits
    elif kind == "cut":
        del damaged[place % len(content) :]
    else:
        damaged.append(bits)
    try:
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="make it again") as error:
            Graph.load(finished)
        assert "\n" not in str(error.value)
        assert name == SUMS or name in str(error.value)
    finally:
        path.write_bytes(content)


@pytest.fixture
def finished(inputs):
    assert _run(inputs) == 0
    Graph.load(inputs / "graph")
    return inputs / "graph"


def test_missing_files_are_named(finished):
    for name, said in {**dict.fromkeys(FILES, "must be a finished graph"), SUMS: "earlier"}.items():
        (finished / name).rename(finished / "away")
        with pytest.raises(FileNotFoundError, match=said):
            Graph.load(finished)
        (finished / "away").rename(finished / name)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("lexicon.txt", "甲\n", "lexicon.txt, line 1: 甲 has no pronunciation"),
        ("lexicon.txt", "甲 d4\n", "lexicon.txt: 甲: unit d4 is not one of the model's 3 units"),
        ("lm.arpa", "\\data\\\nngram 1=1\n", "lm.arpa:"),
        ("lm.arpa", "", "lm.arpa:1: the file ends before"),
        ("tokens.txt", "a1\n", "tokens.txt: tokens must start with"),
    ],
)
def test_bad_inputs_are_named_and_nothing_is_written(inputs, capsys, file, content, message):
    (inputs / file).write_text(content, encoding="utf-8")
    assert _run(inputs) == 1
    assert message in capsys.readouterr().err
    assert not (inputs / "graph").exists()


def test_wrong_order_is_refused(inputs, capsys):
    assert _run(inputs, "--order", 5) == 1
    assert "a model of order 3, but order 5 was asked for" in capsys.readouterr().err
