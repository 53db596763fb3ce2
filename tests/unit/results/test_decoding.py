import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.decode.config import DecodeConfig
from speechmoe_espnet.results.decoding import Decoding, decoding_rows

WFST = {"method": "wfst", "lm_weight": 0.8, "insertion_bonus": 0.5, "tuned": {}}
TUNED = {"lm_weight": 0.8, "insertion_bonus": 0.5}


@pytest.fixture
def load(tmp_path):
    def call(fields, rescoring=None):
        (tmp_path / "decode.json").write_text(json.dumps(fields))
        if rescoring is not None:
            (tmp_path / "rescoring.json").write_text(json.dumps(rescoring))
        return Decoding.load(tmp_path)

    return call


def test_an_older_decoding_is_unknown(tmp_path):
    assert Decoding.load(tmp_path) is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({**WFST, "tuned": TUNED}, "wfst, lm_weight 0.8 and insertion_bonus 0.5 (tuned on dev)"),
        (WFST, "wfst, lm_weight 0.8 and insertion_bonus 0.5 (as configured)"),
        (
            {**WFST, "tuned": {"lm_weight": 0.8}},
            "wfst, lm_weight 0.8 and insertion_bonus 0.5 (lm_weight tuned on dev)",
        ),
        ({**WFST, "method": "ctc_greedy"}, "ctc_greedy, without language model"),
        ({"method": "espnet_joint"}, "espnet_joint, without language model"),
        (
            {**WFST, "method": "ctc_prefix_beam", "use_ngram": False},
            "ctc_prefix_beam, without language model",
        ),
        (
            {**WFST, "method": "ctc_prefix_beam", "use_ngram": True},
            "ctc_prefix_beam, lm_weight 0.8 and insertion_bonus 0.5 (as configured)",
        ),
    ],
)
def test_effective_weights_are_described(load, fields, words):
    assert load(fields).describe() == words


def test_output_of_decode_is_read(load):
    config = vars(DecodeConfig(method="wfst", lm_weight=0.6))
    decoding = load({**config, "tuned": {}})
    assert decoding == Decoding("wfst", 0.6, 0.0, "as configured")


def test_rescoring_keeps_or_replaces_weights(load):
    kept = load(WFST, {"nn_lm_weight": 0.3, "lm_weight": None, "insertion_bonus": None})
    assert kept == Decoding("wfst", 0.8, 0.5, "as configured", 0.3)
    assert kept.describe().endswith(
        "(as configured), rescored by a neural language model with nn_lm_weight 0.3"
    )
    replaced = load(WFST, {"nn_lm_weight": 0.3, "lm_weight": 0.4, "insertion_bonus": None})
    assert replaced == Decoding("wfst", 0.4, 0.0, "of rescoring", 0.3)
    weights = {"nn_lm_weight": 0.3, "lm_weight": 0.4, "insertion_bonus": 0.1}
    tuned = load(WFST, {**weights, "tuned": weights})
    assert tuned == Decoding("wfst", 0.4, 0.1, "tuned on dev", 0.3)


@pytest.mark.parametrize(
    ("fields", "rescoring", "words"),
    [
        ([], None, "decode.json: expected an object, got list"),
        ({"lm_weight": 1.0}, None, "decode.json: lacks method"),
        ({**WFST, "method": ""}, None, "decode.json: method must be a name, got ''"),
        ({"method": "wfst"}, None, "decode.json: lm_weight must be a finite number, got None"),
        ({**WFST, "insertion_bonus": True}, None, "insertion_bonus must be .* got True"),
        ({**WFST, "tuned": ["lm_weight"]}, None, "tuned must be an object"),
        (WFST, {}, "rescoring.json: lacks nn_lm_weight"),
        (WFST, {"nn_lm_weight": "0.3"}, "rescoring.json: nn_lm_weight must be a finite number"),
    ],
)
def test_a_bad_file_is_named(load, fields, rescoring, words):
    with pytest.raises(ValueError, match=words):
        load(fields, rescoring)


numbers = st.floats(-5, 5)
decodings = st.one_of(
    st.builds(Decoding, st.just("ctc_greedy"), nn_lm_weight=st.none() | numbers),
    st.builds(Decoding, st.just("wfst"), numbers, numbers, st.just("as configured")),
)


@given(decodings)
def test_dictionary_round_trip(decoding):
    assert Decoding.from_dict(json.loads(json.dumps(decoding.to_dict()))) == decoding


@given(st.dictionaries(st.text(max_size=5), st.none() | decodings, max_size=4))
def test_rows_have_one_cell_per_system_and_are_not_empty(by_system):
    rows = decoding_rows(by_system)
    assert all(len(cells) == len(by_system) for cells in rows.values())
    assert all(set(cells) != {"-"} for cells in rows.values())
    assert bool(rows) == any(by_system.values())
