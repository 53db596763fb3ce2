"""The compiled n-gram against the definition of back-off, word by word."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmoe_espnet.decode.search.ngram_fusion import FLOOR_LOG10, NgramFusion

UNITS = ["<blank>", "<unk>", "天", "地", "人", "<sos/eos>"]
Table = dict[tuple[str, ...], tuple[float, float]]


def log_prob(table: Table, history: tuple[str, ...], word: str) -> float:
    """Natural logarithm of a probability by back-off, as defined for ARPA files."""
    if (*history, word) in table:
        return table[*history, word][0] * math.log(10)
    backoff = table.get(history, (0.0, 0.0))[1] * math.log(10)
    return backoff + log_prob(table, history[1:], word)


def sentence_log_prob(table: Table, words: list[str], order: int) -> float:
    """Natural log-probability of words and the end of the sentence."""
    said = ["<s>", *words, "</s>"]
    return sum(
        log_prob(table, tuple(said[max(0, i - order + 1) : i]), said[i])
        for i in range(1, len(said))
    )


@st.composite
def back_off_models(draw: st.DrawFn) -> Table:
    """Draw n-gram models of order 1 to 4 that contain all histories and last words."""
    number = st.floats(-4.0, 0.0)
    words = ["<unk>", "天", "地", "人"]
    table: Table = {
        (word,): (draw(number), draw(st.floats(-2.0, 0.7))) for word in [*words, "<s>", "</s>"]
    }
    longest = [ngram for ngram in table if ngram != ("</s>",)]
    for _ in range(draw(st.integers(0, 3))):
        grown = [(*h, w) for h, w in itertools.product(longest, [*words, "</s>"])]
        kept = draw(st.lists(st.sampled_from(grown), max_size=8, unique=True)) if grown else []
        for ngram in kept:
            table[ngram] = (draw(number), draw(st.sampled_from([0.0, -0.5, 0.3])))
        longest = [ngram for ngram in kept if ngram[-1] != "</s>"]
    return table


def compile_table(table: Table, units: list[str] = UNITS) -> NgramFusion:
    return NgramFusion.from_ngrams(((n, p, b) for n, (p, b) in table.items()), units)


@settings(max_examples=150)
@given(table=back_off_models(), sentence=st.lists(st.integers(1, 4), max_size=7))
def test_equals_back_off_word_by_word(table: Table, sentence: list[int]) -> None:
    lm = compile_table(table)
    order = max(map(len, table))
    states = torch.tensor([[lm.start, 0]])
    candidates = torch.tensor([[4, 1, 2, 3]])
    history = ["<s>"]
    for unit in sentence:
        scores, arcs = lm.extend(states[:, :, None], candidates[:, None])
        assert scores.shape == arcs.shape == (1, 2, 4)
        for place, candidate in enumerate(candidates[0].tolist()):
            context = tuple(history[max(0, len(history) - order + 1) :]) if order > 1 else ()
            expected = log_prob(table, context, UNITS[candidate])
            assert scores[0, 0, place].item() == pytest.approx(expected, abs=1e-9)
            assert scores[0, 0, place].item() <= lm.most
            alone = log_prob(table, (), UNITS[candidate])
            assert scores[0, 1, place].item() == pytest.approx(alone, abs=1e-9)
        place = candidates[0].tolist().index(unit)
        states = torch.stack([lm.advance(arcs[:, 0, place]), torch.zeros(1).long()], dim=1)
        history.append(UNITS[unit])
    context = tuple(history[max(0, len(history) - order + 1) :]) if order > 1 else ()
    expected = log_prob(table, context, "</s>")
    assert lm.end_log_probs[states[0, 0]].item() == pytest.approx(expected, abs=1e-9)


SMALL: Table = {
    ("<s>",): (-99.0, -0.3),
    ("</s>",): (-1.0, 0.0),
    ("天",): (-0.5, -0.2),
    ("地",): (-0.6, 0.0),
    ("天", "地"): (-0.1, 0.0),
    ("<s>", "天"): (-0.2, 0.0),
}


def test_units_unknown_to_the_ngram() -> None:
    lm = compile_table(SMALL)
    scores, arcs = lm.extend(torch.tensor(0), torch.tensor([4, 1, 2]))
    assert scores[:2].tolist() == pytest.approx([FLOOR_LOG10 * math.log(10)] * 2)
    assert lm.advance(arcs)[:2].tolist() == [0, 0]
    with_unknown = compile_table({**SMALL, ("<unk>",): (-2.0, 0.0)})
    scores, _ = with_unknown.extend(torch.tensor(0), torch.tensor([4, 1, 2]))
    assert scores.tolist() == pytest.approx([-2 * math.log(10)] * 2 + [-0.5 * math.log(10)])


def test_words_that_are_not_units_have_no_effect() -> None:
    more = {**SMALL, ("海",): (-1.0, -0.1), ("天", "海"): (-1.0, 0.0), ("海", "天"): (-1.0, 0.0)}
    units = torch.tensor([2, 3, 4])
    for state in (0, compile_table(SMALL).start):
        states = torch.tensor([state])
        expected, _ = compile_table(SMALL).extend(states, units)
        found, _ = compile_table(more).extend(states, units)
        assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({("海",): (-1.0, 0.0), ("</s>",): (-1.0, 0.0)}, "none of the model's 5 units"),
        ({("天",): (-1.0, 0.0)}, "has no </s>"),
        ({**SMALL, ("地", "天", "地"): (-1.0, 0.0)}, "has '地 天 地' but not '地 天'"),
        ({**SMALL, ("天", "人"): (-1.0, 0.0)}, "has '天 人' but not '人'"),
    ],
)
def test_models_that_cannot_be_used_are_refused(table: Table, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compile_table(table)
