import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_graph import (
    LEXICON,
    TOKENS,
    all_sentences,
    graph_log_prob,
    make_graph,
    random_grammar,
)

from speechmoe_espnet.decode.search.wfst import WfstOptions, WfstSearch

# Determinization treats costs that differ by less than 1/1024 as equal.
TOLERANCE = 1e-2
WIDE = {"beam": 1e4, "lattice_beam": 1e4}


def _log_probs(rng, num_frames, sharpness=1.0):
    logits = torch.from_numpy(rng.normal(size=(num_frames, len(TOKENS))) * sharpness)
    logits[:, [1, len(TOKENS) - 1]] = -30.0
    return logits.log_softmax(dim=1).float()


def _expected(model, frames, options):
    """Return the best score of every sentence, best first: (score, acoustic, words)."""
    best = {}
    for words, units, acoustic in all_sentences(frames.numpy()):
        graph = options.lm_weight * graph_log_prob(model, words)
        graph += options.insertion_bonus * len(units)
        acoustic *= options.acoustic_scale
        best[words] = max(best.get(words, (-math.inf,)), (acoustic + graph, acoustic, graph))
    return sorted(((*scores, words) for words, scores in best.items()), reverse=True)


@settings(max_examples=15)
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
            assert hypothesis.score == pytest.approx(score, abs=TOLERANCE)
            assert hypothesis.acoustic_score + hypothesis.lm_score == hypothesis.score
            rivals = [e for e in expected if e[3] != words and abs(e[0] - score) < 3 * TOLERANCE]
            if not rivals:
                assert tuple(word.text for word in hypothesis.words) == words
                assert hypothesis.acoustic_score == pytest.approx(acoustic, abs=TOLERANCE)
                assert hypothesis.lm_score == pytest.approx(lm_score, abs=TOLERANCE)
        assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
        assert len({h.words for h in found}) == len(found)


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    model = random_grammar(list(LEXICON), 2, np.random.default_rng(3))
    return make_graph(tmp_path_factory.mktemp("graph"), model)


def test_batching_and_padding_do_not_matter(graph):
    rng = np.random.default_rng(0)
    utterances = [_log_probs(rng, length, 3.0) for length in (1, 9, 30, 17, 0, 4)]
    lengths = torch.tensor([len(frames) for frames in utterances])
    padded = torch.full((6, 33, len(TOKENS)), math.nan)
    for row, frames in zip(padded, utterances, strict=True):
        row[: len(frames)] = frames
    for options in ({"nbest": 5}, {}, {"max_active": 50}):
        search = WfstSearch(graph, WfstOptions(**options))
        together = search(padded, lengths)
        alone = [search(f[None], torch.tensor([len(f)]))[0] for f in utterances]
        assert together == alone
    assert together[4] == [((), 0.0, 0.0, 0.0, (), (), None)]


def test_a_doubled_unit_needs_a_blank_between(graph):
    """The word 双 is a1 a1: it needs a blank frame in between."""
    certain = torch.full((3, len(TOKENS)), -50.0)
    certain[:, 2] = 0.0
    search = WfstSearch(graph, WfstOptions(**WIDE))
    assert search(certain[None], torch.tensor([3]))[0][0].units == (2,)
    certain[1] = -50.0
    certain[1, 0] = 0.0
    assert search(certain[None], torch.tensor([3]))[0][0].units == (2, 2)


def test_skipping_certain_blanks_changes_only_their_score(graph):
    rng = np.random.default_rng(1)
    spoken = _log_probs(rng, 24, 4.0)
    blank = torch.tensor([1 - 1e-6] + [2e-7] * (len(TOKENS) - 1)).log()
    frames = spoken.repeat_interleave(3, dim=0)
    frames[1::3] = frames[2::3] = blank
    lengths = torch.tensor([len(frames)])
    (exact,) = WfstSearch(graph, WfstOptions(beam=50.0))(frames[None], lengths)
    skipping = WfstSearch(graph, WfstOptions(beam=50.0, blank_threshold=0.999))
    assert len(skipping._frames(frames.numpy())[0]) == 48
    (skipped,) = skipping(frames[None], lengths)
    assert skipped[0].units == exact[0].units
    assert skipped[0].words == exact[0].words
    assert skipped[0].score == pytest.approx(exact[0].score, abs=1e-2)


def test_times_are_the_frames_of_the_unit(graph):
    certain = torch.full((9, len(TOKENS)), -40.0)
    for frame, unit in enumerate([0, 2, 2, 0, 0, 3, 0, 4, 0]):
        certain[frame, unit] = 0.0
    (found,) = WfstSearch(graph, WfstOptions(**WIDE, lm_weight=0.1))(
        certain[None], torch.tensor([9])
    )
    assert found[0].units == (2, 3, 4)
    assert found[0].unit_frames == ((1, 3), (5, 6), (7, 8))
    assert (found[0].words[0].start, found[0].words[-1].end) == (1, 8)


def test_a_narrow_beam_is_widened_if_no_path_ends(tmp_path):
    """The frames give low probability to a word of two units, and no word ends at the first."""
    model = random_grammar(["双"], 1, np.random.default_rng(0))
    graph = make_graph(tmp_path, model, {"双": LEXICON["双"]})
    frames = torch.full((3, len(TOKENS)), -6.0)
    frames[:, 2] = -0.1
    (found,) = WfstSearch(graph, WfstOptions(beam=3.0))(frames[None], torch.tensor([3]))
    assert math.isfinite(found[0].score)
    certain = torch.full((1, len(TOKENS)), -1e4)
    certain[:, 2] = 0.0
    (nothing,) = WfstSearch(graph, WfstOptions(beam=1.0))(certain[None], torch.tensor([1]))
    assert nothing[0].units == ()


def test_lattices_are_written_as_kaldi_reads_them(graph):
    frames = _log_probs(np.random.default_rng(5), 12, 2.0)
    search = WfstSearch(graph, WfstOptions(write_lattices=True, nbest=3, lm_weight=0.7))
    ((hypotheses, lattice),) = search.search(frames[None], torch.tensor([12]))
    lines = [line.split() for line in lattice.to_kaldi_text().splitlines()]
    assert lines[0][0] == str(lattice.start)
    arcs = [line for line in lines if len(line) == 4]
    ends = {line[0]: line[1] for line in lines if len(line) == 2}
    assert len(arcs) == len(lattice.arcs)
    # The costs of the best path in the text equal the score of the best hypothesis.
    costs = {str(lattice.start): 0.0}
    for _ in range(len(arcs)):
        for source, target, _, weight in arcs:
            if source in costs:
                graph_cost, acoustic, rest = weight.split(",")
                assert rest == ""
                cost = costs[source] + float(graph_cost) + float(acoustic)
                costs[target] = min(costs.get(target, math.inf), cost)
    best = min(costs[state] + float(cost.split(",")[0]) for state, cost in ends.items())
    assert -best == pytest.approx(hypotheses[0].score, abs=1e-3)


def test_mistakes_are_named(graph):
    with pytest.raises(ValueError, match="max_active: 9: kaldi-decoder bounds"):
        WfstOptions(nbest=2, max_active=9)
    search = WfstSearch(graph, WfstOptions())
    with pytest.raises(ValueError, match="log_probs have 5 units, the graph's model 6"):
        search(torch.zeros(1, 3, 5), torch.tensor([3]))
    with pytest.raises(ValueError, match="lengths must be in"):
        search(torch.zeros(1, 3, 6), torch.tensor([4]))
