import math

import pytest

from speechmoe_espnet.lm.arpa import NgramModel
from speechmoe_espnet.lm.evaluation import highest_sum_error, perplexity

HALF = math.log10(0.5)
MODEL = NgramModel(
    2,
    {
        ("<s>",): (-99.0, math.log10(0.4)),
        ("</s>",): (HALF, 0.0),
        ("天气",): (math.log10(0.3), math.log10(2)),
        ("好",): (math.log10(0.2), 0.0),
        ("<s>", "天气"): (math.log10(0.8), 0.0),
        ("<s>", "好"): (math.log10(0.1), 0.0),
        ("天气", "好"): (math.log10(0.5), 0.0),
    },
)


def test_perplexity_of_known_words():
    measured = perplexity(MODEL.log10_prob, 2, [["天气", "好"], ["好"]])
    expected = 0.8 * 0.5 * 0.5 * 0.1 * 0.5
    assert 10**measured.log10_prob == pytest.approx(expected)
    assert (measured.sentences, measured.tokens, measured.characters) == (2, 3, 4)
    assert measured.per_token == pytest.approx(expected ** (-1 / 5))
    assert measured.per_character == pytest.approx(expected ** (-1 / 6))
    assert measured.unknown_rate == 0


def test_unknown_words_and_the_history_before_them_are_left_out():
    measured = perplexity(MODEL.log10_prob, 2, [["天气", "他们", "好"]])
    assert 10**measured.log10_prob == pytest.approx(0.8 * 0.2 * 0.5)
    assert (measured.tokens, measured.unknown, measured.characters) == (2, 1, 3)
    assert measured.unknown_rate == pytest.approx(1 / 3)


def test_no_sentence_is_an_error():
    with pytest.raises(ValueError, match="no text"):
        perplexity(MODEL.log10_prob, 2, [])


def test_a_history_with_a_wrong_sum_is_found():
    distance, history = highest_sum_error(MODEL)
    assert history == ("天气",)
    assert distance == pytest.approx(0.5 + 2 * 0.8 - 1)
    sound = {**MODEL.ngrams, ("天气",): (math.log10(0.3), math.log10(0.5 / 0.8))}
    sound["<s>",] = (-99.0, math.log10(0.1 / 0.5))
    assert highest_sum_error(NgramModel(2, sound))[0] < 1e-12
    sound["好",] = (math.log10(0.1), 0.0)
    assert highest_sum_error(NgramModel(2, sound))[0] == pytest.approx(0.1)
