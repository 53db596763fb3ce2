from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechmoe_espnet.bin import validate_data_dir
from speechmoe_espnet.data.kaldi_dir import DataDir


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(36 * 8000), 8000)
    path = str(tmp_path / "data")
    DataDir(Path(path), {"a": str(tmp_path / "a.wav")}, {"a": "好"}, {"a": "s"}).write(path)
    assert validate_data_dir.main([path]) == 0
    assert capsys.readouterr().out == f"{path}: 1 utterances, 1 recordings, 1 speakers\n"
    assert validate_data_dir.main([path, "--durations"]) == 0
    assert capsys.readouterr().out.endswith("1 speakers, 0.01 h\n")
    (tmp_path / "a.wav").unlink()
    assert validate_data_dir.main([path]) == 1
    assert "audio files do not exist for a" in capsys.readouterr().err
