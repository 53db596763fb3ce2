import json

import pytest

from speechmoe_espnet.bin import score


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "ref").mkdir()
    (tmp_path / "hyp").mkdir()
    (tmp_path / "ref/text").write_text("a1 今天，天气 OK\na2 好\nb1 北京\n")
    (tmp_path / "ref/utt2spk").write_text("a1 a\na2 a\nb1 b\n")
    (tmp_path / "hyp/text").write_text("b1 北京人\na2\na1 今天天启ok\n")
    return tmp_path


def run(tree, *more):
    words = ["--ref-dir", tree / "ref", "--hyp_dir", tree / "hyp", "--output_dir", tree / "out"]
    return score.main([str(word) for word in [*words, *more]])


def test_files_and_summary(tree, capsys):
    assert run(tree) == 0
    out = capsys.readouterr().out
    assert "CER 33.33 % (S 1, D 1, I 1 of 9 characters, 3 utterances)" in out
    assert out.count("\n") == 1
    result = json.loads((tree / "out/cer.json").read_text())
    assert (result["metric"], result["num_utts"], result["num_chars"]) == ("cer", 3, 9)
    assert (result["sub"], result["del"], result["ins"]) == (1, 1, 1)
    assert result["cer"] == pytest.approx(100 / 3)
    assert result["per_speaker"]["b"]["ins"] == 1
    rows = [json.loads(line) for line in (tree / "out/utts.jsonl").read_text().splitlines()]
    assert [row["utt"] for row in rows] == ["a1", "a2", "b1"]
    assert set(rows[0]) == {"utt", "spk", "num_chars", "sub", "del", "ins", "ref", "hyp"}
    assert rows[0]["ref"] == "今天天气OK"
    assert "今天天启OK" in (tree / "out/errors.txt").read_text()
    assert (tree / "out/per_speaker.tsv").read_text().splitlines()[1] == "a\t28.57\t2\t7\t1\t1\t0"


def test_syllables(tree, capsys):
    (tree / "ref/text").write_text("a1 jin1 tian1\na2 hao3\nb1 bei3 jing1\n")
    (tree / "hyp/text").write_text("a1 jin1 tian2\na2 hao3\nb1 bei3 jing1\n")
    (tree / "ref/utt2spk").rename(tree / "speakers")
    assert run(tree, "--metric", "ser", "--utt2spk", tree / "speakers") == 0
    out = capsys.readouterr().out
    assert "SER 20.00 % (S 1, D 0, I 0 of 5 syllables" in out
    assert "of 1 syllables taken for another, wrong are" in out
    parts = json.loads((tree / "out/cer.json").read_text())["parts"]
    assert (parts["syllables"], parts["tone_alone"], parts["final"]) == (1, 1, 0)


@pytest.fixture
def units(tree):
    (tree / "ref/text").write_text("a1 jin1 tian1 OW1 K EY1\na2 hao3\nb1 bei3 jing1\n")
    (tree / "hyp/units").write_text("b1 bei3 jing1 ren2\na2\na1 jin1 tian2 OW1 K EY1\n")
    return tree


def test_units(units, capsys):
    assert run(units, "--hyp_name", "units", "--metric", "ser") == 0
    out = capsys.readouterr().out
    assert "SER 37.50 % (S 1, D 1, I 1 of 8 units, 3 utterances)" in out
    result = json.loads((units / "out/cer.json").read_text())
    assert (result["metric"], result["num_chars"]) == ("ser", 8)
    assert "1 errors in 5 units" in (units / "out/errors.txt").read_text()


def test_units_are_not_characters(units, capsys):
    assert run(units, "--hyp_name", "units") == 1
    assert "--metric ser, and references in units" in capsys.readouterr().err
    assert not (units / "out").exists()


def test_missing_units_are_an_error(units, capsys):
    (units / "hyp/units").unlink()
    assert run(units, "--hyp_name", "units", "--metric", "ser") == 1
    assert f"no file {units / 'hyp/units'}" in capsys.readouterr().err


def test_settings_of_decoding_are_printed(tree, capsys):
    weights = {"lm_weight": 0.8, "insertion_bonus": 0.5}
    fields = {"method": "wfst", **weights, "tuned": weights}
    (tree / "decode.json").write_text(json.dumps(fields))
    assert run(tree) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "decoded by wfst, lm_weight 0.8 and insertion_bonus 0.5 (tuned on dev)"
    ]


def test_bad_settings_are_named_and_nothing_is_written(tree, capsys):
    (tree / "decode.json").write_text("{}")
    assert run(tree) == 1
    assert "decode.json: lacks method" in capsys.readouterr().err
    assert not (tree / "out").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a1 今天\na2 好\n", "lacks utterances"),
        ("a1 今天\na2 好\nb1 北京\nb2 好\n", "b2"),
        ("a1 今天\na1 今天\na2 好\nb1 北京\n", "duplicate id a1"),
    ],
)
def test_ids_must_join(tree, capsys, text, words):
    (tree / "hyp/text").write_text(text)
    assert run(tree) == 1
    error = capsys.readouterr().err
    assert error.startswith("score: error: ")
    assert words in error
    assert not (tree / "out").exists()


def test_missing_file(tree, capsys):
    (tree / "ref/utt2spk").unlink()
    assert run(tree) == 1
    assert "utt2spk" in capsys.readouterr().err


def test_empty_reference(tree, capsys):
    (tree / "ref/text").write_text("a1 今天\na2 ？\nb1 北京\n")
    assert run(tree) == 0
    assert "ref/text: 1 utterances without text left out: a2" in capsys.readouterr().out
    assert json.loads((tree / "out/cer.json").read_text())["left_out"] == ["a2"]
    (tree / "ref/text").write_text("a1 <sil>\na2 ？\nb1 [NOISE]\n")
    assert run(tree) == 1
    assert (
        "nothing is left to compare, after normalisation, of a1, a2, b1" in capsys.readouterr().err
    )
