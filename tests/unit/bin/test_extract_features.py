from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechmoe_espnet.bin import extract_features
from speechmoe_espnet.data.kaldi_dir import DataDir, read_table

CONF = Path(__file__).parents[3] / "conf" / "fbank.yaml"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "a.wav", np.sin(np.arange(16000)), 16000)
    data = DataDir(tmp_path / "data", {"a": str(tmp_path / "a.wav")}, {"a": "好"}, {"a": "s"})
    data.write(data.path)
    return data.path


def test_command(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    options = ["--data-dir", str(data_dir), "--output_dir", str(out), "--config", str(CONF)]
    assert extract_features.main(options) == 0
    assert "98 frames (0.00 h) of 40 values" in capsys.readouterr().out
    assert read_table(out / "feats.scp") == {"a": f"{out}/feats.1.ark:2"}
    assert extract_features.main([*options, "--final_dir", "dump/x"]) == 0
    assert read_table(out / "feats.scp") == {"a": "dump/x/feats.1.ark:2"}
    absolute = ["--final_dir", "dump/x", "--absolute-paths"]
    assert extract_features.main([*options, *absolute]) == 0
    assert read_table(out / "feats.scp") == {"a": f"{Path.cwd()}/dump/x/feats.1.ark:2"}


def test_mistakes(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    options = ["--data_dir", str(data_dir), "--output_dir", out]
    assert extract_features.main([*options, "--config", str(tmp_path / "none.yaml")]) == 1
    assert "extract_features: error:" in capsys.readouterr().err
    assert extract_features.main([*options, "--config", str(CONF), "--nj", "0"]) == 1
    assert "number of jobs must be at least 1, got 0" in capsys.readouterr().err
