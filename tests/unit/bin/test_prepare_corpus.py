"""The command: its output and its errors."""

import pytest

from speechmoe_espnet.bin import prepare_corpus
from speechmoe_espnet.data.kaldi_dir import DataDir


def test_one_set_of_the_synthetic_corpus(tmp_path, capsys):
    folder = tmp_path / "data"
    options = ["--preset", "tiny", "--sets", "read", "--train-utts", "12", "--nj", "1"]
    final = ["--output-dir", str(folder), "--final-dir", "data/synthetic"]
    assert prepare_corpus.main([*options, *final]) == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "dev",
        "lm_text",
        "read",
        "train",
        "wav",
    ]
    data = DataDir.load(folder / "train")
    assert len(data.text) == 12
    assert all(path.startswith("data/synthetic/wav/read/") for path in data.wav_scp.values())
    assert all(
        (folder / path.removeprefix("data/synthetic/")).is_file() for path in data.wav_scp.values()
    )
    out = capsys.readouterr().out
    assert "30 utterances" in out
    lines = (folder / "lm_text").read_text(encoding="utf-8").splitlines()
    assert f"lm_text: {len(lines)} sentences" in out
    assert set(data.text.values()) < set(lines)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--preset", "huge"], "preset must be one of tiny"),
        (["--sets", "news"], "got news"),
        (["--train_utts", "0"], "train_utts must be at least 1"),
        (["--nj", "0", "--preset", "tiny", "--sets", "read"], "nj must be at least 1"),
        (["--corpus", "timit", "--corpus_dir", "."], "got 'timit'"),
        (["--corpus", "aishell"], "needs --corpus_dir"),
        (["--corpus", "aishell", "--corpus_dir", "/nowhere"], "no directory /nowhere"),
        (["--corpus_dir", "/nowhere"], "not used by the synthetic corpus"),
    ],
)
def test_mistakes_are_one_line(options, message, tmp_path, capsys):
    assert prepare_corpus.main([*options, "--output_dir", str(tmp_path / "out")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
