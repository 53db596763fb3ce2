import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.decode.rescoring import RescoringWeights, rescore

numbers = st.floats(-50, 50).map(lambda value: round(value, 2))
hyps = st.fixed_dictionaries(
    {
        "text": st.sampled_from(["", "好", "你好", "您好"]),
        "acoustic_score": numbers,
        "lm_score": numbers,
        "acoustic_logp": numbers,
        "lm_logp": numbers,
        "num_units": st.integers(0, 9),
        "mark": st.integers(),
    }
)
list_sets = st.dictionaries(
    st.sampled_from("abc"), st.lists(hyps, min_size=1, max_size=5), min_size=1
)


def score_texts(texts):
    return [-1.5 * len(text) - 0.25 for text in texts]


@given(list_sets, numbers)
def test_decoded_scores_plus_the_new_score(lists, weight):
    ranked = rescore(lists, score_texts, RescoringWeights(weight))
    assert ranked.keys() == lists.keys()
    for utt, new in ranked.items():
        scores = [hyp["score"] for hyp in new]
        assert scores == sorted(scores, reverse=True)
        assert sorted(hyp["mark"] for hyp in new) == sorted(hyp["mark"] for hyp in lists[utt])
        for hyp in new:
            logp = -1.5 * len(hyp["text"]) - 0.25
            assert hyp["nn_lm_logp"] == logp
            expected = hyp["acoustic_score"] + hyp["lm_score"] + weight * logp
            assert hyp["score"] == pytest.approx(expected)
    assert rescore(ranked, score_texts, RescoringWeights(weight)) == ranked


@given(list_sets, numbers, numbers, numbers)
def test_everything_weighted_anew(lists, nn_weight, weight, bonus):
    weights = RescoringWeights(nn_weight, weight, bonus)
    for new in rescore(lists, score_texts, weights).values():
        for hyp in new:
            assert hyp["acoustic_score"] == hyp["acoustic_logp"]
            lm_score = weight * hyp["lm_logp"] + bonus * hyp["num_units"]
            assert hyp["lm_score"] == pytest.approx(lm_score)
            total = hyp["acoustic_logp"] + lm_score + nn_weight * hyp["nn_lm_logp"]
            assert hyp["score"] == pytest.approx(total)


def hyp(text, score):
    return {"text": text, "acoustic_score": score, "lm_score": 0.0}


def test_each_text_is_scored_once_and_lists_are_unchanged():
    asked = []

    def score(texts):
        asked.extend(texts)
        return [0.0] * len(texts)

    lists = {"a": [hyp("好", -1.0), hyp("你", -1.0)], "b": [hyp("好", -2.0)]}
    ranked = rescore(lists, score, RescoringWeights(1.0))
    assert sorted(asked) == ["你", "好"]
    assert [h["text"] for h in ranked["a"]] == ["好", "你"]
    assert "nn_lm_logp" not in lists["a"][0]


def test_a_score_that_is_not_finite_names_the_utterance():
    with pytest.raises(ValueError, match=r"^a: the language model gives '好' .* of nan"):
        rescore({"a": [hyp("好", 0.0)]}, lambda _: [float("nan")], RescoringWeights(1.0))


def test_weights_are_checked():
    with pytest.raises(ValueError, match="nn_lm_weight must be a finite number, got inf"):
        RescoringWeights(float("inf"))
    with pytest.raises(ValueError, match="insertion_bonus 1: also give lm_weight"):
        RescoringWeights(0.5, insertion_bonus=1.0)


TUNED = {"lm_weight": 1, "insertion_bonus": -0.5, "nn_lm_weight": 0.25}


def test_weights_of_a_tuning(tmp_path):
    path = tmp_path / "tuning.json"
    path.write_text(json.dumps(TUNED))
    assert RescoringWeights.from_tuning(path) == RescoringWeights(0.25, 1.0, -0.5)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ("[]", "expected an object, got list"),
        (
            '{"lm_weight": 1, "insertion_bonus": 0}',
            "nn_lm_weight must be a finite number, got None",
        ),
        ('{"nn_lm_weight": true}', "nn_lm_weight must be a finite number, got True"),
    ],
)
def test_tunings_without_the_weights_are_named(tmp_path, content, said):
    path = tmp_path / "tuning.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=f"^{path}: {said}"):
        RescoringWeights.from_tuning(path)
    with pytest.raises(FileNotFoundError, match="`tune` writes it"):
        RescoringWeights.from_tuning(tmp_path / "none.json")
