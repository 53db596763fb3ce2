import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmoe_espnet.decode.wfst import WfstOptions, WfstSearch
from tests.unit.decode.graph.tiny import (
    LEXICON,
    TOKENS,
    all_sentences,
    graph_log_prob,
    make_graph,
    random_grammar,
)

WIDE = {"beam": 1e4, "lattice_beam": 1e4}


def _log_probs(rng, num_frames, sharpness=1.0):
    logits = torch.from_numpy(rng.normal(size=(num_frames, len(TOKENS))) * sharpness)
    logits[:, [1, len(TOKENS) - 1]] = -30.0
    return logits.log_softmax(dim=1).float()


def _expected(model, frames, options):
    """Every sentence's best score, best first: (score, acoustic, words)."""
    best = {}
    for words, units, acoustic in all_sentences(frames.numpy()):
        graph = options.lm_weight * graph_log_prob(model, words)
        graph += options.insertion_bonus * len(units)
        acoustic *= options.acoustic_scale
        best[words] = max(best.get(words, (-math.inf,)), (acoustic + graph, acoustic, graph))
    return sorted(((*scores, words) for words, scores in best.items()), reverse=True)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    order=st.integers(1, 3),
    num_frames=st.integers(1, 4),
    lm_weight=st.sampled_from([1.0, 0.6, 1.7]),
    bonus=st.sampled_from([0.0, 0.8, -0.5]),
    scale=st.sampled_from([1.0, 0.7]),
)
def test_best_paths_equal_brute_force(seed, order, num_frames, lm_weight, bonus, scale):
    rng = np.random.default_rng(seed)
    model = random_grammar(list(LEXICON), order, rng)
    frames = _log_probs(rng, num_frames)
    with tempfile.TemporaryDirectory() as folder:
        graph = make_graph(Path(folder), model)
    weights = {"lm_weight": lm_weight, "insertion_bonus": bonus, "acoustic_scale": scale}
    expected = _expected(model, frames, WfstOptions(**weights))
    lengths = torch.tensor([num_frames])
    for extra in ({}, {"max_active": 10**6}, {"nbest": 4}):
        search = WfstSearch(graph, WfstOptions(**WIDE, **weights, **extra))
        (found,) = search(frames[None], lengths)
        assert len(found) == min(extra.get("nbest", 1), len(expected))
        for hypothesis, (score, acoustic, lm_score, words) in zip(found, expected, strict=False):
            assert hypothesis.score == pytest.approx(score, abs=2e-3)
            assert hypothesis.acoustic_score + hypothesis.lm_score == hypothesis.score
            rivals = [e for e in expected if e[3] != words and abs(e[0] - score) < 1e-2]
            if not rivals:
                assert tuple(word.text for word in hypothesis.words) == words
                assert hypothesis.acoustic_score == pytest.approx(acoustic, abs=2e-3)
                assert hypothesis.lm_score == pytest.approx(lm_score, abs=2e-3)
        assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
        assert len({h.words for h in found}) == len(found)
