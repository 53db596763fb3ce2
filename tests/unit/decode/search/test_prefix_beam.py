"""Prefix beam search against the reference, exhaustive enumeration, and batch invariance."""

import itertools
import math
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmoe_espnet.decode.hypothesis import Hypothesis
from speechmoe_espnet.decode.search.ngram_fusion import NgramFusion
from speechmoe_espnet.decode.search.prefix_beam import ctc_prefix_beam_search
from speechmoe_espnet.decode.search.reference import LOG_ZERO, log_add, reference_prefix_beam_search

Added = Callable[[tuple[int, ...], bool], float]


def posteriors(seed: int, *shape: int, sharpness: float = 2.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (sharpness * torch.randn(*shape, generator=generator)).log_softmax(-1)


def assert_same(found: list[Hypothesis], expected: list[Hypothesis]) -> None:
    assert [hyp.units for hyp in found] == [hyp.units for hyp in expected]
    for name in ("score", "acoustic_score", "lm_score"):
        values = [[getattr(hyp, name) for hyp in hyps] for hyps in (found, expected)]
        assert values[0] == pytest.approx(values[1], abs=1e-9), name


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**31),
    lengths=st.lists(st.integers(0, 40), min_size=1, max_size=4),
    num_units=st.integers(2, 9),
    beam_size=st.integers(1, 7),
    sharpness=st.floats(0.3, 4.0),
)
def test_equals_the_reference(
    seed: int, lengths: list[int], num_units: int, beam_size: int, sharpness: float
) -> None:
    log_probs = posteriors(seed, len(lengths), max(lengths) + 1, num_units, sharpness=sharpness)
    blank_id = seed % num_units
    for row, length in zip(log_probs, lengths, strict=True):
        row[length:] = math.nan
    found = ctc_prefix_beam_search(
        log_probs,
        torch.tensor(lengths),
        beam_size=beam_size,
        nbest=beam_size,
        blank_id=blank_id,
    )
    for hyps, row, length in zip(found, log_probs, lengths, strict=True):
        frames = row[:length].double().tolist()
        assert_same(hyps, reference_prefix_beam_search(frames, beam_size, blank_id))


def sum_of_paths(log_probs: torch.Tensor) -> dict[tuple[int, ...], float]:
    """Return the log-probability of every unit sequence (blank 0), summed over all frame paths."""
    sums: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(log_probs.size(1)), repeat=log_probs.size(0)):
        units = tuple(unit for unit, _ in itertools.groupby(path) if unit != 0)
        score = sum(log_probs[t, unit].double().item() for t, unit in enumerate(path))
        sums[units] = log_add(sums.get(units, LOG_ZERO), score)
    return sums


@pytest.mark.parametrize(("num_frames", "num_units"), [(1, 4), (3, 3), (4, 3), (5, 2)])
def test_a_wide_beam_sums_all_paths(num_frames: int, num_units: int) -> None:
    log_probs = posteriors(7, 1, num_frames, num_units)
    sums = sum_of_paths(log_probs[0])
    expected = sorted((Hypothesis(*x, x[1]) for x in sums.items()), key=lambda hyp: -hyp.score)
    beam_size = 2 * len(expected)
    found = ctc_prefix_beam_search(
        log_probs, torch.tensor([num_frames]), beam_size=beam_size, nbest=beam_size
    )
    assert_same(found[0], expected)
    assert sum(math.exp(hyp.score) for hyp in found[0]) == pytest.approx(1.0, abs=1e-6)


@st.composite
def language_models(draw: st.DrawFn, num_units: int) -> tuple[Added, dict[str, Any]]:
    """Draw a trigram over units 1, 2, ...: its share of a score, and its options."""
    rng = random.Random(draw(st.integers(0, 2**31)))
    words = [str(unit) for unit in range(1, num_units)]
    table = {(w,): (rng.uniform(-3, 0), rng.uniform(-1, 0.7)) for w in [*words, "<s>", "</s>"]}
    for history in [("<s>",), *((word,) for word in words)]:
        for word in rng.sample([*words, "</s>"], rng.randint(0, num_units)):
            table[*history, word] = (rng.uniform(-3, 0), rng.choice([0.0, rng.uniform(-1, 0.7)]))
    table["<s>", "1"] = table["<s>", "1", "1"] = (rng.uniform(-1, 0), 0.0)
    for bigram in [ngram for ngram in table if len(ngram) == 2 and ngram[1] != "</s>"]:
        for word in rng.sample([*words, "</s>"], rng.randint(0, 2)):
            table[*bigram, word] = (rng.uniform(-3, 0), 0.0)
    weight, bonus = draw(st.floats(0.0, 2.0)), draw(st.floats(-1.0, 3.0))

    def word_log10_prob(history: tuple[str, ...], word: str) -> float:
        if (*history, word) in table:
            return table[*history, word][0]
        return table.get(history, (0.0, 0.0))[1] + word_log10_prob(history[1:], word)

    def added(prefix: tuple[int, ...], is_whole: bool) -> float:
        said = ["<s>", *map(str, prefix), *(["</s>"] if is_whole else [])]
        log10_prob = sum(
            word_log10_prob(tuple(said[max(0, place - 2) : place]), said[place])
            for place in range(1, len(said))
        )
        return weight * log10_prob * math.log(10) + bonus * len(prefix)

    lm = NgramFusion.from_ngrams(
        ((ngram, *numbers) for ngram, numbers in table.items()), ["<blank>", *words]
    )
    return added, {"lm": lm, "lm_weight": weight, "insertion_bonus": bonus}


@settings(max_examples=60)
@given(st.data(), st.integers(0, 2**31), st.integers(0, 4), st.integers(2, 4))
def test_a_wide_beam_with_a_language_model_equals_trying_all_sequences(
    data: st.DataObject, seed: int, num_frames: int, num_units: int
) -> None:
    added, options = data.draw(language_models(num_units))
    log_probs = posteriors(seed, 1, num_frames, num_units)
    expected = sorted(
        (
            Hypothesis(units, acoustic + added(units, True), acoustic, added(units, True))
            for units, acoustic in sum_of_paths(log_probs[0]).items()
        ),
        key=lambda hyp: -hyp.score,
    )
    beam_size = len(expected) + 3
    found = ctc_prefix_beam_search(
        log_probs, torch.tensor([num_frames]), beam_size=beam_size, nbest=beam_size, **options
    )
    assert_same(found[0], expected)


@settings(max_examples=60)
@given(
    data=st.data(),
    seed=st.integers(0, 2**31),
    lengths=st.lists(st.integers(0, 25), min_size=1, max_size=3),
    num_units=st.integers(2, 8),
    beam_size=st.integers(1, 6),
)
def test_equals_the_reference_with_a_language_model(
    data: st.DataObject, seed: int, lengths: list[int], num_units: int, beam_size: int
) -> None:
    added, options = data.draw(language_models(num_units))
    log_probs = posteriors(seed, len(lengths), max(lengths) + 1, num_units)
    found = ctc_prefix_beam_search(
        log_probs,
        torch.tensor(lengths),
        beam_size=beam_size,
        nbest=beam_size,
        max_units=num_units - 1,
        **options,
    )
    for hyps, row, length in zip(found, log_probs, lengths, strict=True):
        frames = row[:length].double().tolist()
        assert_same(hyps, reference_prefix_beam_search(frames, beam_size, lm_score=added))


def test_default_number_of_units_gives_the_result_of_all_units() -> None:
    log_probs = posteriors(11, 8, 60, 50, sharpness=1.0)
    lengths = torch.full((8,), 60)
    every = ctc_prefix_beam_search(log_probs, lengths, beam_size=4, nbest=4, max_units=49)
    for found, expected in zip(
        ctc_prefix_beam_search(log_probs, lengths, beam_size=4, nbest=4), every, strict=True
    ):
        assert_same(found, expected)


def test_max_units_limits_new_prefixes_to_the_best_units() -> None:
    log_probs = torch.tensor([[[0.1, 0.2, 0.3, 0.4], [0.7, 0.15, 0.1, 0.05]]]).log()
    found = ctc_prefix_beam_search(log_probs, torch.tensor([2]), beam_size=9, nbest=9, max_units=1)
    assert {hyp.units for hyp in found[0]} == {(), (3,), (1,), (3, 1)}


def test_results_do_not_depend_on_batch_or_padding() -> None:
    log_probs = posteriors(3, 6, 70, 30)
    lengths = torch.tensor([70, 3, 41, 0, 64, 12])
    together = ctc_prefix_beam_search(log_probs, lengths, beam_size=5, nbest=5)
    for found, row, length in zip(together, log_probs, lengths, strict=True):
        alone = ctc_prefix_beam_search(row[None, :length], length[None], beam_size=5, nbest=5)
        assert_same(found, alone[0])


def test_results_with_a_language_model_do_not_depend_on_batch_or_padding() -> None:
    words = ["</s>", "<s>", *map(str, range(1, 30))]
    table = {(word,): (-1.0 - place / 20, -0.2) for place, word in enumerate(words)}
    table |= dict.fromkeys(itertools.pairwise(words[1:]), (-0.3, 0.0))
    lm = NgramFusion.from_ngrams(
        ((ngram, *numbers) for ngram, numbers in table.items()),
        ["<blank>", *map(str, range(1, 30))],
    )
    options: dict[str, Any] = {"beam_size": 5, "nbest": 5, "lm": lm, "lm_weight": 0.7}
    log_probs = posteriors(3, 5, 40, 30)
    lengths = torch.tensor([40, 3, 0, 33, 12])
    together = ctc_prefix_beam_search(log_probs, lengths, **options)
    for found, row, length in zip(together, log_probs, lengths, strict=True):
        alone = ctc_prefix_beam_search(row[None, :length], length[None], **options)
        assert_same(found, alone[0])
    without = ctc_prefix_beam_search(log_probs, lengths, beam_size=5, nbest=5)
    assert [hyps[0].units for hyps in together] != [hyps[0].units for hyps in without]


@pytest.mark.parametrize(
    ("options", "num_units", "message"),
    [
        ({"lm_weight": -0.1}, 2, "lm_weight must be a number of at least 0, got -0.1"),
        ({"insertion_bonus": math.nan}, 2, "insertion_bonus must be a number, got nan"),
        ({}, 3, "lm is made for 2 units, log_probs have 3"),
    ],
)
def test_refuses_impossible_fusion(options: dict[str, float], num_units: int, message: str) -> None:
    lm = NgramFusion.from_ngrams([(("1",), -1.0, 0.0), (("</s>",), -1.0, 0.0)], ["<blank>", "1"])
    with pytest.raises(ValueError, match=message):
        ctc_prefix_beam_search(torch.zeros(1, 2, num_units), torch.tensor([2]), lm=lm, **options)


@pytest.mark.parametrize("threshold", [0.3, 0.6, 1.0])
def test_certain_blanks_count_as_blank_alone(threshold: float) -> None:
    log_probs = posteriors(5, 3, 50, 4, sharpness=3.0)
    lengths = torch.tensor([50, 17, 1])
    found = ctc_prefix_beam_search(
        log_probs, lengths, beam_size=6, nbest=6, blank_threshold=threshold
    )
    for hyps, row, length in zip(found, log_probs, lengths.tolist(), strict=True):
        frames = row[:length].double()
        closed = frames[:, 0] >= math.log(threshold)
        frames[closed, 1:] = LOG_ZERO
        assert_same(hyps, reference_prefix_beam_search(frames.tolist(), 6))


def test_all_frames_certainly_blank() -> None:
    log_probs = torch.tensor([[[0.99, 0.01]] * 4]).log()
    found = ctc_prefix_beam_search(log_probs, torch.tensor([4]), blank_threshold=0.9)
    assert found[0][0].units == ()
    assert found[0][0].score == pytest.approx(4 * math.log(0.99), abs=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_size": 0}, "beam_size must be at least 1, got 0"),
        ({"beam_size": 2, "nbest": 3}, r"nbest must be in \[1, beam_size = 2\], got 3"),
        ({"max_units": 0}, "max_units must be at least 1 or null, got 0"),
        ({"blank_threshold": 1.5}, r"blank_threshold must be in \(0, 1\] or null, got 1.5"),
    ],
)
def test_refuses_impossible_options(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ctc_prefix_beam_search(torch.zeros(1, 2, 3), torch.tensor([2]), **options)  # type: ignore[arg-type]
