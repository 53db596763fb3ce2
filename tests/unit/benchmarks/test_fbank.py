"""The benchmark of features runs, and its figures are right."""

import argparse
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import fbank
from benchmarks.recordings import LONGEST, SHORTEST, speechlike, write_recordings
from benchmarks.result import Row
from speechmoe_espnet.data.audio import read_samples
from speechmoe_espnet.data.kaldi_dir import validate_data_dir


def arguments(*words: str, num_threads: int = 1) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    fbank.add_arguments(parser)
    return parser.parse_args(
        words, argparse.Namespace(rounds=1, num_threads=num_threads, quick=True)
    )


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return fbank.run(arguments("--utterances", "2"))


def test_each_figure_in_seconds_has_one_in_times_real_time(rows: list[Row]) -> None:
    speeds = {
        (row.case, row.measure.removesuffix(", x real time"), row.system): row.value.median
        for row in rows
        if row.unit == "x"
    }
    seconds = {(r.case, r.measure, r.system): r.value.median for r in rows if r.unit == "s"}
    assert speeds.keys() == seconds.keys()
    for key, value in seconds.items():
        assert speeds[key] == pytest.approx((SHORTEST + LONGEST) / value)


def test_the_bar_is_1500_times_real_time(rows: list[Row]) -> None:
    barred = [row for row in rows if row.bar is not None]
    assert [row.case for row in barred] == [
        "16 kHz wav",
        "16 kHz flac",
        "8 kHz wav to 16 kHz",
        "44.1 kHz wav to 16 kHz",
        "48 kHz wav to 16 kHz",
        "48 kHz flac to 16 kHz",
    ]
    for row in barred:
        assert (row.system, row.measure, row.unit) == (fbank.OURS, fbank.EXTRACTION, "s")
        assert row.reached == (row.value.median <= (SHORTEST + LONGEST) / 1500)


def test_all_parts_are_measured(rows: list[Row]) -> None:
    parts = {row.measure for row in rows if row.case == "16 kHz wav" and row.unit == "s"}
    assert parts == {
        fbank.EXTRACTION,
        "read",
        "compute",
        "write ark",
        "load ark to train",
    }


def test_kaldi_native_fbank_is_optional(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "kaldi_native_fbank", None)
    rows = fbank.run(arguments("--utterances", "1"))
    assert "no rows of kaldi-native-fbank, which is not installed" in capsys.readouterr().err
    assert {row.system for row in rows if row.measure == "compute"} == {fbank.OURS, "torchaudio"}


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="--num_threads must be 1, got 2"):
        fbank.run(arguments(num_threads=2))
    with pytest.raises(ValueError, match="--utterances must be at least 1, got -1"):
        fbank.run(arguments("--utterances", "-1"))


def test_recordings(tmp_path: Path) -> None:
    seconds = write_recordings(tmp_path / "a", "wav", 16000, 3, seed=1)
    assert seconds == pytest.approx(SHORTEST + 6.0 + LONGEST)
    write_recordings(tmp_path / "b", "flac", 16000, 3, seed=1)
    first, second = (validate_data_dir(tmp_path / name).wav_scp for name in "ab")
    for name in first:
        samples, rate = read_samples(first[name])
        assert rate == 16000
        np.testing.assert_array_equal(samples, read_samples(second[name])[0])


def test_sound_is_neither_silent_nor_clipped() -> None:
    sound = speechlike(4.0, 16000, np.random.default_rng(0))
    assert 0.01 < np.sqrt(np.mean(sound**2)) < 0.3
    assert np.mean(np.abs(sound) > 0.99) < 0.001
