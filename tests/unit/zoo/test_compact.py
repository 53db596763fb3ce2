"""Compact models: weights, graph, digests, and damage."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_graph import LEXICON, TOKENS, random_grammar

from speechmoe_espnet.data.lexicon import Lexicon
from speechmoe_espnet.decode.graph.build import build_graph
from speechmoe_espnet.decode.graph.directory import Graph, write_graph
from speechmoe_espnet.espnet.checkpoint_file import read_state
from speechmoe_espnet.lm.arpa import read_arpa, write_arpa
from speechmoe_espnet.zoo.archive import write_zip
from speechmoe_espnet.zoo.compact import _pack, _unpack, compact, is_compact
from speechmoe_espnet.zoo.find_model import find_model
from speechmoe_espnet.zoo.packing import Source, pack

MODEL = "valid.loss.ave.pth"
STATE = {
    "experts.w": torch.randn(4, 16, 32, generator=torch.Generator().manual_seed(0)),
    "bias": torch.linspace(-3, 3, 2000),
    "small": torch.randn(3, 3),
    "steps": torch.tensor(7),
}


@pytest.fixture
def whole(experiment: Path, tmp_path: Path) -> Path:
    """A packed model with a graph."""
    torch.save(STATE, experiment / MODEL)
    arpa, built = tmp_path / "lm.arpa", tmp_path / "built"
    write_arpa(arpa, random_grammar(sorted(LEXICON), 2, np.random.default_rng(0)))
    built.mkdir()
    graph = build_graph(LEXICON, arpa, TOKENS.tokens)
    lexicon = Lexicon({word: tuple(units) for word, units in LEXICON.items()})
    write_graph(built, graph, lexicon, TOKENS, arpa)
    decode = tmp_path / "decode.yaml"
    decode.write_text("method: wfst\n")
    folder = tmp_path / "whole"
    search = {"graph_dir": built, "decode_config": decode}
    pack(Source(experiment, MODEL, search=search), folder)
    return folder


def zipped(folder: Path) -> Path:
    compact(folder)
    assert is_compact(folder)
    archive = folder.with_suffix(".zip")
    write_zip(folder, archive)
    return archive


def test_a_compact_model_is_made_whole_where_it_is_loaded(
    whole: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = Graph.load(whole / "graph")
    grammar = read_arpa(whole / "graph/lm.arpa.gz")
    archive = zipped(whole)
    assert not {path.suffix for path in whole.rglob("*")} & {".fst", ".pth"}
    packed = find_model(archive)
    assert "made whole once" in caplog.text
    state = read_state(packed.checkpoint)
    assert state.keys() == STATE.keys()
    for name in ("bias", "small", "steps"):
        assert torch.equal(state[name], STATE[name])
    step = STATE["experts.w"].abs().amax(-1, keepdim=True) / 127
    assert (state["experts.w"] - STATE["experts.w"]).abs().le(step / 2 * 1.0001).all()
    graph_dir = packed.search["graph_dir"]
    graph = Graph.load(graph_dir, TOKENS.tokens)
    assert graph.words == before.words
    assert graph.lexicon == before.lexicon
    assert len(graph.fst.arcs) == len(before.fst.arcs)
    assert np.allclose(np.sort(graph.fst.final), np.sort(before.fst.final), atol=1e-3)
    kept = read_arpa(graph_dir / "lm.arpa.gz").ngrams
    assert kept.keys() == grammar.ngrams.keys()
    for ngram, values in grammar.ngrams.items():
        assert kept[ngram] == pytest.approx(values, abs=1e-4)
    caplog.clear()
    assert find_model(archive).folder == packed.folder
    assert not caplog.text


def test_without_a_graph(packed: Path) -> None:
    compact(packed)
    write_zip(packed, packed.with_suffix(".zip"))
    found = find_model(packed.with_suffix(".zip"))
    assert torch.equal(read_state(found.checkpoint)["weight"], torch.ones(2))
    assert not found.search


def test_a_graph_of_before_has_no_n_gram(whole: Path) -> None:
    (whole / "graph/lm.arpa.gz").unlink()
    with pytest.raises(ValueError, match=r"--compact: the graph has no lm.arpa.gz; make it again"):
        compact(whole)


@pytest.mark.parametrize("name", ["exp/weights.npz", "graph/lm.arpa.gz", "graph/lexicon.txt"])
@pytest.mark.parametrize("missing", [True, False])
def test_damage(whole: Path, name: str, missing: bool) -> None:
    folder = whole
    compact(folder)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 4
    (folder / name).unlink()
    if not missing:
        (folder / name).write_bytes(content)
    archive = folder.with_suffix(".zip")
    write_zip(folder, archive)
    with pytest.raises(ValueError, match=f"(lacks {name}|{name}: damaged)") as error:
        find_model(archive)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "plan", [None, [], {}, {"weights": "../x"}, {"weights": 3}, {"weights": "x"}]
)
def test_a_plan_that_is_none(packed: Path, plan: object) -> None:
    compact(packed)
    meta = yaml.safe_load((packed / "meta.yaml").read_text())
    (packed / "meta.yaml").write_text(yaml.safe_dump({**meta, "compact": plan}))
    write_zip(packed, packed.with_suffix(".zip"))
    with pytest.raises(ValueError, match=r"compact is not what|lacks x, which") as error:
        find_model(packed.with_suffix(".zip"))
    assert "\n" not in str(error.value)


@settings(max_examples=50)
@given(
    rows=st.integers(1, 40),
    columns=st.integers(40, 60),
    scale=st.sampled_from([0.0, 1e-30, 1e-4, 1.0, 1e6]),
    seed=st.integers(0, 99),
)
def test_weights_keep_seven_bits_a_row(rows: int, columns: int, scale: float, seed: int) -> None:
    values = scale * torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    back = _unpack(_pack({"w": values}))["w"]
    assert back.dtype == torch.float32
    assert back.shape == values.shape
    step = values.abs().amax(-1, keepdim=True).clamp(min=1e-12) / 127
    assert (back - values).abs().le(step * 0.5001).all()
