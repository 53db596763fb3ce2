"""The description of a decode YAML for scripts."""

import pytest

from speechmoe_espnet.bin.describe_decoding import main


@pytest.mark.parametrize(
    ("yaml", "told"),
    [
        ("method: ctc_greedy", "ctc_greedy nothing 1"),
        ("{method: ctc_prefix_beam, beam_size: 8, nbest: 4}", "ctc_prefix_beam nothing 4"),
        ("{method: ctc_prefix_beam, use_ngram: true}", "ctc_prefix_beam ngram 1"),
        ("{method: wfst, nbest: 20}", "wfst graph 20"),
        ("{method: espnet_joint, nbest: 2}", "espnet_joint nothing 2"),
    ],
)
def test_three_words(tmp_path, capsys, yaml, told):
    (tmp_path / "decode.yaml").write_text(yaml)
    assert main([str(tmp_path / "decode.yaml")]) == 0
    assert capsys.readouterr().out == f"{told}\n"


def test_missing_or_wrong_files_are_named(tmp_path, capsys):
    path = tmp_path / "decode.yaml"
    assert main([str(path)]) != 0
    assert str(path) in capsys.readouterr().err
    path.write_text("method: viterbi")
    assert main([str(path)]) != 0
    told = capsys.readouterr()
    assert str(path) in told.err
    assert "'viterbi' is not one of" in told.err
    assert told.out == ""
