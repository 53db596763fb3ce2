"""Stages that a search needs, units that it accepts, and what --search stands for."""

from pathlib import Path
from typing import Any

import pytest
from recipe_words import plan

NGRAM = {"decode_config": "conf/decode_ctc_prefix_beam_ngram.yaml"}
NBEST = {"search": "wfst", "decode_config": "conf/decode_wfst_nbest.yaml"}


@pytest.mark.parametrize(
    ("given", "left_out"),
    [
        ({}, {6, 7, 8, 10}),
        (NGRAM, {7, 10}),
        ({"search": "wfst"}, {10}),
        ({"search": "wfst", "tune": "false"}, {8, 10}),
        ({**NBEST, "rescore": "true"}, set()),
        ({"model_dir": "."}, {4, 5, 6, 7, 8, 10, 12}),
    ],
)
def test_stages_without_work_are_left_out(
    tmp_path: Path, given: dict[str, Any], left_out: set[int]
) -> None:
    stages = {int(number) for number in plan(tmp_path, **given, expname="mine")["stages"]}
    assert set(range(1, 13)) - stages == left_out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"token_type": "bpe", "decode_config": "conf/decode_wfst.yaml"}, "the lexicon of method"),
        ({"token_type": "bpe", **NGRAM}, "its n-gram is of characters"),
        ({"token_type": "syllable_phone", **NGRAM}, "syllable_phone with conf/decode_wfst.yaml"),
        ({"rescore": "true"}, "method ctc_greedy uses no n-gram"),
        ({"search": "wfst", "rescore": "true"}, "nbest is 1, which leaves nothing to choose"),
        ({"stage": 7, "stop_stage": 7}, "leaves out stages 6 to 8, since it needs no language"),
        ({"stage": 7, "stop_stage": 7, **NGRAM}, "leaves out stage 7, since it needs no graph"),
        ({"stage": 10, "stop_stage": 10}, "stage 10 runs with --rescore"),
        ({"stage": 4, "stop_stage": 5, "model_dir": "."}, "--model-dir leaves stages 4, 5"),
    ],
)
def test_searches_that_do_not_fit_are_refused(
    tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        plan(tmp_path, **given)


@pytest.mark.parametrize(
    ("given", "config"),
    [
        ({"search": "wfst"}, "conf/decode_wfst_nbest.yaml"),
        ({"search": "wfst", "preset": "tiny"}, "conf/decode_wfst_narrow_nbest.yaml"),
        (NBEST, "conf/decode_wfst_nbest.yaml"),
        (NGRAM, "conf/decode_ctc_prefix_beam_ngram.yaml"),
        ({**NBEST, "tune_config": "conf/decode_wfst_narrow_nbest.yaml"}, "narrow_nbest.yaml"),
    ],
)
def test_tuning_has_a_configuration_with_lists(
    tmp_path: Path, given: dict[str, Any], config: str
) -> None:
    assert plan(tmp_path, **given)["tune_config"].endswith(config)
