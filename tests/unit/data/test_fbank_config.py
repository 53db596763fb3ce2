from dataclasses import replace
from pathlib import Path

import pytest

from speechmoe_espnet.data.fbank_config import FbankConfig

CONF = Path(__file__).parents[3] / "conf" / "fbank.yaml"


def test_shipped_config_is_the_default() -> None:
    assert FbankConfig.from_yaml(CONF) == FbankConfig()
    assert FbankConfig().feature_size == 40
    assert replace(FbankConfig(), deltas=True).feature_size == 120


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("num_mel_bin: 40", "unknown options num_mel_bin; allowed are channel, deltas, dither"),
        ("- 40", "expected `key: value` lines"),
        ("a: [", "not YAML"),
        ("num_mel_bins: 40.5", "num_mel_bins must be int, got 40.5"),
        ("num_mel_bins: true", "num_mel_bins must be int, got True"),
        ("num_mel_bins: 2", "num_mel_bins must be at least 4"),
        ("deltas: 1", "deltas must be bool, got 1"),
        ("frame_shift: 0", "frame_shift must be above 0"),
        ("frame_shift: 0.01", r"at least 1 samples, got 0.01 ms \(= 0 samples at 16000 Hz\)"),
        ("frame_length: 0.1", r"at least 2 samples, got 0.1 ms \(= 1 samples at 16000 Hz\)"),
        ("dither: -1", "dither must be at least 0"),
        ("dither: .nan", "dither must be finite"),
        ("high_freq: 9000", r"low_freq < high_freq <= 8000.0 \(half of sample_frequency\)"),
        ("low_freq: 8000", "got low_freq 8000"),
        ("resample: 1", "resample must be true or false, got 1"),
        ("channel: left", "channel must be mean or a number of at least 1, got 'left'"),
        ("channel: 0", "got 0"),
        ("channel: true", "got True"),
    ],
)
def test_bad_config(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "fbank.yaml").write_text(content)
    with pytest.raises(ValueError, match=rf"fbank\.yaml.*: .*{message}"):
        FbankConfig.from_yaml(tmp_path / "fbank.yaml")


def test_empty_config_is_the_default(tmp_path: Path) -> None:
    (tmp_path / "fbank.yaml").write_text("# nothing\n")
    assert FbankConfig.from_yaml(tmp_path / "fbank.yaml") == FbankConfig()
