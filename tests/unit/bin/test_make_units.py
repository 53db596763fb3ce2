import subprocess
import sys
from pathlib import Path

import pytest

from speechmoe_espnet.bin import make_units

ROOT = Path(__file__).parents[3]


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in {"train": "a 你好\n", "dev": "b 你们\n"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "text").write_text(text, encoding="utf-8")
    train, dev = str(tmp_path / "train"), str(tmp_path / "dev")
    options = ["--train_dir", train, "--sets", dev, "--output_dir", str(tmp_path / "units")]
    assert make_units.main(["--token_type", "char", *options]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"2 units (char) from {train}",
        "train: 0 of 2 units out of vocabulary (0.00 %)",
        "dev: 1 of 2 units out of vocabulary (50.00 %): 们 1",
    ]
    assert make_units.main(["--token_type", "bpe", *options, "--nbpe", "3"]) == 1
    assert "make_units: error: nbpe 3 does not suit" in capsys.readouterr().err


def test_words_without_a_reading_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "text").write_text("a 好あい\n", encoding="utf-8")
    options = ["--train_dir", str(tmp_path / "train"), "--output_dir", str(tmp_path / "units")]
    assert make_units.main(["--token_type", "syllable_phone", *options]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 units are words without a reading: あ い"


def test_starts_without_torch() -> None:
    code = (
        "import sys, speechmoe_espnet.bin.make_units, speechmoe_espnet.bin.validate, "
        "speechmoe_espnet.bin.extract_features; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
