import subprocess
import sys
from pathlib import Path

import pytest

from speechmoe_espnet.bin import train_ngram
from speechmoe_espnet.lm.arpa import read_arpa

ROOT = Path(__file__).parents[3]


@pytest.fixture
def options(tmp_path):
    (tmp_path / "lm_text").write_text("今天去银行\n明天去银行\n" * 3, encoding="utf-8")
    for name, text in {"train": "u1 今天天气好\n", "dev": "u2 明天天气好\n"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "text").write_text(text, encoding="utf-8")
    texts = [str(tmp_path / "train" / "text"), str(tmp_path / "lm_text")]
    dev = str(tmp_path / "dev" / "text")
    return ["--texts", *texts, "--dev-text", dev, "--output_dir", str(tmp_path / "lm")]


def test_command(options, tmp_path, capfd):
    assert train_ngram.main([*options, "--order", "2", "--min-count", "1"]) == 0
    out, err = capfd.readouterr()
    assert [line.split(",")[0] for line in err.splitlines()] == [
        f"n-gram {n}/4" for n in range(1, 5)
    ]
    lines = out.splitlines()
    assert lines[0].startswith("7 sentences, 20 tokens (word), ")
    assert lines[1] == "dev: 1 sentences, 4 tokens, 0.00 % unknown"
    assert lines[2].startswith("unpruned: perplexity ")
    sizes = " ".join(map(str, read_arpa(tmp_path / "lm" / "lm_pruned.arpa").counts()))
    assert lines[3].endswith(f"n-grams by order {sizes}")
    assert lines[4].startswith("lm_pruned.arpa: 0.0 MB, ")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--order", "7"], "train_ngram: error: order must be from 1 to 5, got 7"),
        (["--prune_threshold", "nan"], "prune_threshold must be a number of at least 0, got nan"),
        (["--texts", "nowhere"], "no file nowhere"),
    ],
)
def test_mistakes_are_one_line(options, more, message, tmp_path, capsys):
    assert train_ngram.main([*options, *more]) == 1
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "lm").exists()


def test_starts_without_torch():
    code = "import sys, speechmoe_espnet.bin.train_ngram; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
