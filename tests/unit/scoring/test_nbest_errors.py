import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.scoring.cer import pool, score_texts
from speechmoe_espnet.scoring.nbest_errors import count_errors

texts = st.text("今天气好 ok，!?", max_size=8)


@pytest.mark.parametrize("metric", ["cer", "ser"])
@given(st.lists(st.tuples(st.text("今天气好 ok", max_size=8), texts), min_size=1, max_size=4))
def test_errors_are_those_of_scoring(metric, pairs):
    refs = {f"u{i}": f"今 {ref}" for i, (ref, _) in enumerate(pairs)}
    hyps = {f"u{i}": hyp for i, (_, hyp) in enumerate(pairs)}
    counted = count_errors(refs, {u: [h, refs[u], h] for u, h in hyps.items()}, metric=metric)
    scores = score_texts(refs, hyps, dict.fromkeys(refs, "s"), metric=metric)
    assert counted.errors == {s.utt: [s.num_errors, 0, s.num_errors] for s in scores}
    assert counted.num_units == pool(scores).num_chars


def test_unknown_unit_is_one_error():
    assert count_errors({"a": "今天"}, {"a": ["今<unk>"]}).errors == {"a": [1]}


@pytest.mark.parametrize(
    ("refs", "lists", "said"),
    [
        ({}, {"a": [""]}, "REF: no utterances"),
        ({"a": "好", "b": "好"}, {"a": [""]}, "LISTS: lacks utterances that REF has b"),
        ({"a": "好"}, {"a": [""], "b": [""]}, "LISTS: has utterances that REF lacks b"),
        ({"a": "？"}, {"a": [""]}, "nothing is left to compare, after normalisation, of a"),
    ],
)
def test_lists_and_references_must_join(refs, lists, said):
    with pytest.raises(ValueError, match=said):
        count_errors(refs, lists, ref_name="REF", list_name="LISTS")


def test_references_without_text_are_left_out() -> None:
    counted = count_errors({"a": "好", "b": "<sil>"}, {"a": ["好", "坏"], "b": ["好"]})
    assert counted.errors == {"a": [0, 1]}
    assert counted.num_units == 1
