"""Decode configurations: shipped files are valid, mistakes are named."""

from pathlib import Path

import pytest

from speechmoe_espnet.decode.config import DecodeConfig

CONF = Path(__file__).parents[3] / "conf"


def test_shipped_configurations() -> None:
    assert DecodeConfig.from_yaml(CONF / "decode_ctc_greedy.yaml") == DecodeConfig()
    beam = DecodeConfig.from_yaml(CONF / "decode_ctc_prefix_beam.yaml")
    assert (beam.method, beam.beam_size, beam.nbest) == ("ctc_prefix_beam", 10, 5)
    assert beam.max_units is None
    assert beam.blank_threshold is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("method: ctc_greedy\nbeam: 3", "beam: not used by method ctc_greedy"),
        ("method: ctc_greedy\nbeams: 3", "unknown key beams; allowed are method, batch_frames"),
        ("batch_frames: 10", "method: missing"),
        ("method: viterbi", "'viterbi' is not one of ctc_greedy, ctc_prefix_beam, wfst"),
        ("method: wfst\nbeam_size: 3", "beam_size: not used by method wfst; its keys are"),
        ("method: wfst\nbeam: 0", "beam: 0 is not a positive number"),
        ("method: wfst\nbeam: .inf", "beam: inf is not a positive number"),
        ("method: wfst\nlm_weight: high", "lm_weight: 'high' is not a number"),
        ("method: wfst\nnbest: 5\nmax_active: 9", "max_active: 9 with nbest: 5"),
        ("method: wfst\nwrite_lattices: true\nmax_active: 9", "with write_lattices: true"),
        ("method: wfst\nwrite_lattices: 1", "write_lattices: 1 is not true or false"),
        ("method: ctc_prefix_beam\nlm_weight: 1", "lm_weight: not used without use_ngram"),
        ("method: espnet_joint\nctc_weight: 2", r"ctc_weight: 2 is not in \[0, 1\]"),
        ("method: espnet_joint\nnbest: 11", r"11 is more than beam_size \(10\)"),
        ("method: ctc_greedy\nbeam_size: 3", "beam_size: not used by method ctc_greedy"),
        ("method: ctc_prefix_beam\nbeam_size: 2\nnbest: 3", r"3 is more than beam_size \(2\)"),
        ("method: ctc_prefix_beam\nbeam_size: yes", "True is not a whole number"),
        ("method: ctc_prefix_beam\nmax_units: 0", "max_units: 0 is not a whole number"),
        (
            "method: ctc_prefix_beam\nblank_threshold: 2",
            r"2 is not in \(0, 1\]; null skips no frame",
        ),
        ("method: ctc_greedy\nbatch_frames: 0.5", "batch_frames: 0.5 is not a whole number"),
        ("- 1", "expected `key: value` lines"),
        ("a: b: c", "not YAML"),
    ],
)
def test_mistakes_name_file_key_and_cure(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "decode.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        DecodeConfig.from_yaml(path)
    assert str(caught.value).startswith(str(path))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no decode configuration"):
        DecodeConfig.from_yaml(tmp_path / "none.yaml")
