import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.decode.nbest import read_nbest, write_nbest

NUMBERS = ("acoustic_logp", "num_words")
names = st.text("abc_-1好", min_size=1, max_size=6)
hyps = st.fixed_dictionaries(
    {
        "text": st.text(max_size=8),
        "acoustic_logp": st.floats(-1e6, 1e6),
        "num_words": st.integers(0, 50),
        "words": st.lists(st.text(max_size=3), max_size=2),
    }
)


@given(st.dictionaries(names, st.lists(hyps, min_size=1, max_size=4), min_size=1, max_size=4))
def test_round_trip(tmp_path_factory, lists):
    path = tmp_path_factory.mktemp("nbest") / "nbest.jsonl"
    write_nbest(path, sorted(lists.items()))
    back = read_nbest(path, NUMBERS)
    assert back == lists
    assert list(back) == sorted(lists)


GOOD = {"utt": "a", "hyps": [{"text": "好", "acoustic_logp": -1.5, "num_words": 1}]}


def changed(**fields):
    return {"utt": "b", "hyps": [{**GOOD["hyps"][0], **fields}]}


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (GOOD, "a: occurs twice"),
        ([], "expected an object with utt and hyps, got []"),
        ({"utt": "a b", "hyps": []}, "utt must be an utterance id, got 'a b'"),
        ({"hyps": []}, "utt must be an utterance id, got None"),
        ({"utt": "b", "hyps": []}, "b: hyps must list at least one, got []"),
        ({"utt": "b", "hyps": ["好"]}, "b: hypothesis 1: expected an object, got '好'"),
        (changed(text=3), "b: hypothesis 1: text must be a string, got 3"),
        (changed(num_words=True), "num_words must be a finite number, got True"),
        (changed(acoustic_logp="-1"), "acoustic_logp must be a finite number, got '-1'"),
        (changed(acoustic_logp=float("nan")), "acoustic_logp must be a finite number, got nan"),
        (changed(acoustic_logp=float("-inf")), "acoustic_logp must be a finite number, got -inf"),
        (
            {"utt": "b", "hyps": [{"text": "", "score": 1}]},
            "b: hypothesis 1: lacks acoustic_logp; decode again with a search that writes it "
            "(it has text, score)",
        ),
    ],
)
def test_mistakes_name_file_line_and_utterance(tmp_path, second, said):
    path = tmp_path / "nbest.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps(second) + "\n")
    with pytest.raises(ValueError, match=f"^{path}:2: ") as caught:
        read_nbest(path, NUMBERS)
    assert said in str(caught.value)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused_with_their_line(tmp_path_factory, raw):
    path = tmp_path_factory.mktemp("nbest") / "nbest.jsonl"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"nbest\.jsonl:"):
        read_nbest(path)


def test_empty_and_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="decode first"):
        read_nbest(tmp_path / "nbest.jsonl")
    (tmp_path / "nbest.jsonl").touch()
    with pytest.raises(ValueError, match=r"nbest\.jsonl: no utterances"):
        read_nbest(tmp_path / "nbest.jsonl")


def test_numbers_outside_json_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_nbest(tmp_path / "nbest.jsonl", [("a", [{"text": "", "score": float("inf")}])])
