import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from speechmoe_espnet.bin import make_lm_data
from speechmoe_espnet.data.table import read_table
from speechmoe_espnet.data.tokens import TokenList
from speechmoe_espnet.lm.characters import make_character_data

ROOT = Path(__file__).parents[3]


@pytest.fixture
def texts(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "dev").mkdir()
    (tmp_path / "train/text").write_text("a1 今天，天气 ok\na2 好！\n")
    (tmp_path / "more.txt").write_text("\ufeff今天好\n\n？\n下雨 了\r\n")
    (tmp_path / "dev/text").write_text("d1 今天下雪\n")
    return tmp_path


def test_kaldi_and_plain_text_become_characters_with_ids(texts):
    made = make_character_data(
        [texts / "train/text", texts / "more.txt"], texts / "dev/text", texts / "out"
    )
    assert read_table(texts / "out/train/text") == {
        "sentence_00000001": "今天天气OK",
        "sentence_00000002": "好",
        "sentence_00000003": "今天好",
        "sentence_00000004": "下雨了",
    }
    assert list(read_table(texts / "out/train/text_shape").values()) == ["6", "1", "3", "3"]
    assert read_table(texts / "out/dev/text") == {"sentence_00000001": "今天下雪"}
    assert set(TokenList.load(texts / "out/tokens.txt").units) == set("今天气OK好下雨了")
    assert (made.num_tokens, made.train_sentences, made.train_characters) == (12, 4, 13)
    assert (made.dev_sentences, made.dev_characters, made.dev_unknown) == (1, 4, 1)


def test_a_fixed_random_subset_of_sentences_is_used(texts):
    plain = texts / "many.txt"
    plain.write_text("".join(f"{'一' * n}\n" for n in range(1, 101)))
    drawn = []
    for out in ("one", "two"):
        made = make_character_data([plain], texts / "dev/text", texts / out, max_sentences=10)
        assert made.train_sentences == 10
        drawn.append((texts / out / "train/text").read_text())
    assert drawn[0] == drawn[1]
    assert "一" * 50 in drawn[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "more.txt: no text"),
        ("，\n \n".encode(), "more.txt: no text"),
        ("好\n坏".encode("gb18030"), "more.txt:1: not UTF-8"),
        (b"\xe5\xa5\xbd\n\xff\n", "more.txt:2: not UTF-8"),
    ],
)
def test_unusable_text_is_named(texts, capsys, content, said):
    (texts / "more.txt").write_bytes(content)
    words = ["--train_texts", texts / "more.txt", "--dev-text", texts / "dev/text"]
    assert make_lm_data.main([str(w) for w in [*words, "--output_dir", texts / "out"]]) == 1
    assert said in capsys.readouterr().err
    assert not (texts / "out").exists()


def test_other_mistakes(texts):
    with pytest.raises(ValueError, match="max_sentences must be at least 1, got 0"):
        make_character_data([texts / "more.txt"], texts / "dev/text", texts / "out", 0)
    with pytest.raises(FileNotFoundError, match="no file nowhere"):
        make_character_data(["nowhere"], texts / "dev/text", texts / "out")


def train(texts, *words):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(
        [ROOT / "utils/train_lm.sh", *map(str, words)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


TINY = [
    "--config",
    "conf/train_lm_rnn.yaml",
    "--num_iters_per_epoch",
    "2",
    "--batch_bins",
    "20",
    "--lm_conf",
    "unit=8",
    "--log_level",
    "ERROR",
]


def test_training_resumes(texts):
    files = (texts / "lm", texts / "dev/text", texts / "train/text", texts / "more.txt")
    for epochs in (1, 2):
        run = train(texts, *files, "--", *TINY, "--max_epoch", str(epochs))
        assert run.returncode == 0, run.stderr
        assert "4 sentences with 13 characters, 12 tokens; dev: 1 sentences" in run.stdout
    stats = [json.loads(x) for x in (texts / "lm/train_stats.jsonl").read_text().splitlines()]
    assert [line["steps"] for line in stats] == [2, 4]
    assert (texts / "lm/valid.loss.ave.pth").is_file()


@pytest.mark.parametrize(
    "words", [(), ("out", "dev"), ("out", "dev", "--", "--x"), ("a", "b", "c")]
)
def test_training_script_shows_its_usage(texts, words):
    run = train(texts, *words)
    assert run.returncode == 2
    assert "usage: train_lm.sh OUT DEV_TEXT TRAIN_TEXT... --" in run.stderr


def test_training_ends_with_the_mistake_where_there_is_no_text(texts):
    (texts / "more.txt").write_text("\n")
    run = train(texts, texts / "lm", texts / "dev/text", texts / "more.txt", "--", *TINY)
    assert run.returncode == 1
    assert "more.txt: no text" in run.stderr
    assert not (texts / "lm/config.yaml").exists()
