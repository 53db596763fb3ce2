"""Times of units for searches that follow no path."""

import pytest
import torch

from speechmoe_espnet.decode.hypothesis import Hypothesis
from speechmoe_espnet.decode.search.factory import Encoded, Found
from speechmoe_espnet.decode.search.greedy import ctc_greedy_search
from speechmoe_espnet.decode.search.prefix_beam import ctc_prefix_beam_search
from speechmoe_espnet.decode.search.timed import TimedSearch, align_units


@pytest.fixture
def encoded():
    generator = torch.Generator().manual_seed(3)
    log_probs = (8 * torch.randn(3, 40, 6, generator=generator)).log_softmax(-1)
    return Encoded(torch.zeros(3, 40, 1), log_probs, torch.tensor([40, 25, 0]))


def greedy(encoded):
    return [Found([hyp]) for hyp in ctc_greedy_search(encoded.log_probs, encoded.lengths)]


def test_the_best_path_is_its_own_alignment(encoded):
    for number, found in enumerate(greedy(encoded)):
        hypothesis = found.hypotheses[0]
        log_probs = encoded.log_probs[number, : encoded.lengths[number]]
        assert align_units(hypothesis.units, log_probs, 0) == hypothesis.unit_frames


def test_confidence_is_the_greatest_posterior(encoded):
    for number, found in enumerate(TimedSearch(greedy, 0)(encoded)):
        hypothesis = found.hypotheses[0]
        spans = zip(hypothesis.units, hypothesis.unit_frames, strict=True)
        expected = [
            max(float(encoded.log_probs[number, frame, unit].exp()) for frame in range(*span))
            for unit, span in spans
        ]
        assert hypothesis.unit_confidences == pytest.approx(expected)


def test_prefix_beam_search_gets_times_within_the_utterance(encoded):
    def search(encoded):
        return [Found(h) for h in ctc_prefix_beam_search(encoded.log_probs, encoded.lengths)]

    for length, found, untimed in zip(
        encoded.lengths.tolist(), TimedSearch(search, 0)(encoded), search(encoded), strict=True
    ):
        hypothesis = found.hypotheses[0]
        assert hypothesis.units == untimed.hypotheses[0].units
        frames = [frame for span in hypothesis.unit_frames for frame in span]
        assert frames == sorted(frames)
        assert len(hypothesis.unit_frames) == len(hypothesis.units)
        assert all(0 <= frame <= length for frame in frames)


@pytest.mark.parametrize("units", [(1, 1, 2), (1, 2, 3, 4), (1, 0)])
def test_units_that_no_path_gives_have_no_times(units):
    log_probs = torch.zeros(3, 6).log_softmax(-1)
    assert align_units(units, log_probs, 0) is None
    search = TimedSearch(lambda _: [Found([Hypothesis(units, 0.0)])], 0)
    encoded = Encoded(torch.zeros(1, 3, 1), log_probs[None], torch.tensor([3]))
    assert search(encoded)[0].hypotheses[0].unit_frames is None
