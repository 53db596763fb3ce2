"""A graph belongs to the tokens of a model, and to those that go on after them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_graph import LEXICON, TOKENS, random_grammar

from speechmoe_espnet.data.lexicon import Lexicon
from speechmoe_espnet.decode.graph.build import build_graph
from speechmoe_espnet.decode.graph.directory import Graph, write_graph
from speechmoe_espnet.decode.search.wfst import WfstOptions, WfstSearch
from speechmoe_espnet.lm.arpa import write_arpa


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_arpa(tmp_path / "lm.arpa", random_grammar(list(LEXICON), 2, np.random.default_rng(0)))
    built = build_graph(LEXICON, tmp_path / "lm.arpa", TOKENS.tokens)
    lexicon = Lexicon({word: tuple(units) for word, units in LEXICON.items()})
    (tmp_path / "graph").mkdir()
    write_graph(tmp_path / "graph", built, lexicon, TOKENS, tmp_path / "lm.arpa")
    return tmp_path / "graph"


def test_new_tokens_do_not_disturb_a_graph(folder: Path) -> None:
    more = TOKENS.extended(["d4", "e5"])
    searches = [
        WfstSearch(Graph.load(folder, tokens), WfstOptions(beam=50.0))
        for tokens in (TOKENS.tokens, more.tokens)
    ]
    generator = torch.Generator().manual_seed(0)
    new = torch.full((1, 12, 2), -30.0)
    for _ in range(5):
        old = (3 * torch.randn(1, 12, len(TOKENS), generator=generator)).log_softmax(-1)
        longer = torch.cat([old[:, :, :-1], new, old[:, :, -1:]], -1)
        (before,), (after,) = (
            search(frames, torch.tensor([12]))
            for search, frames in zip(searches, (old, longer), strict=True)
        )
        assert before[0].words
        assert before == after


@pytest.mark.parametrize(
    "tokens",
    [
        ("<blank>", "<unk>", "a1", "b2", "<sos/eos>"),
        ("<blank>", "<unk>", "d4", "a1", "b2", "c3", "<sos/eos>"),
        ("<blank>", "<unk>", "a1", "c3", "b2", "<sos/eos>"),
        ("<blank>", "<unk>", "a1", "b2", "c3", "d4"),
    ],
)
def test_other_tokens_are_refused(folder: Path, tokens: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="built for another model"):
        Graph.load(folder, tokens)
