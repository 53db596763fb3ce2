import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import kaldiio
import numpy as np
import pytest
import soundfile

from speechmoe_espnet.data import feature_dir
from speechmoe_espnet.data.audio import read_audio
from speechmoe_espnet.data.faults import FaultsError
from speechmoe_espnet.data.feature_dir import extract_features
from speechmoe_espnet.data.features import FbankConfig, compute_features
from speechmoe_espnet.data.kaldi_dir import DataDir, Segment, read_table
from speechmoe_espnet.data.transcripts import TEXT_REPORT
from speechmoe_espnet.pipeline.dask_workers import DaskWorkers
from speechmoe_espnet.pipeline.pool import ProcessPool
from speechmoe_espnet.pipeline.workers import Job

RATE = 16000
CONFIG = FbankConfig()


def noise(seconds: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (
        0.1 * rng.standard_normal(int(seconds * RATE)) * np.linspace(0.01, 1, int(seconds * RATE))
    )


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    """Seven utterances u0 to u6 of 0.3 to 0.9 seconds."""
    names = [f"u{number}" for number in range(7)]
    for number, name in enumerate(names):
        soundfile.write(tmp_path / f"{name}.wav", noise(0.3 + 0.1 * number, number), RATE)
    data = DataDir(
        tmp_path / "data",
        {name: str(tmp_path / f"{name}.wav") for name in names},
        {name: f"第 {number} 句，ok。" for number, name in enumerate(names)},
        {name: f"s{number % 2}" for number, name in enumerate(names)},
    )
    data.write(data.path)
    return data


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_output(data: DataDir, tmp_path: Path) -> None:
    out = tmp_path / "dump"
    num_frames = extract_features(data.path, out, out, CONFIG).num_frames
    lengths = {name: int(value) for name, value in read_table(out / "utt2num_frames").items()}
    assert sum(lengths.values()) == num_frames
    assert list(lengths) == list(data.utterances)
    assert read_table(out / "text")["u3"] == "第3句OK"
    assert read_table(out / "utt2spk") == data.utt2spk
    assert read_table(out / "spk2utt") == {"s0": "u0 u2 u4 u6", "s1": "u1 u3 u5"}
    for name, features in kaldiio.load_scp(str(out / "feats.scp")).items():
        samples, rate = read_audio(data.wav_scp[name])
        exact = compute_features(samples, rate, CONFIG, name)
        assert features.shape == (lengths[name], 40)
        # One byte per value between the quartiles of a column: at most 1/64 of the widest quarter.
        quarters = np.diff(np.percentile(exact, [0, 25, 75, 100], axis=0), axis=0)
        assert np.abs(features - exact).max() < quarters.max() / 63 + 0.01


def test_scp_points_to_the_final_place(data: DataDir, tmp_path: Path) -> None:
    extract_features(data.path, tmp_path / "x", "dump/c/set", CONFIG)
    paths = read_table(tmp_path / "x" / "feats.scp").values()
    assert all(path.startswith("dump/c/set/feats.1.ark:") for path in paths)


def test_bytes_do_not_depend_on_jobs(
    data: DataDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_dir, "CHUNK_SIZE", 3)
    config = FbankConfig(dither=1.0)
    for jobs in (1, 2):
        extract_features(data.path, tmp_path / f"jobs{jobs}", "final", config, ProcessPool(jobs))
    assert contents(tmp_path / "jobs1") == contents(tmp_path / "jobs2")
    assert {"feats.1.ark", "feats.2.ark", "feats.3.ark"} < contents(tmp_path / "jobs1").keys()


def test_bytes_are_those_of_a_cluster(
    data: DataDir, tmp_path: Path, cluster: DaskWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_dir, "CHUNK_SIZE", 3)
    Path(data.wav_scp["u4"]).write_bytes(b"no audio")
    monkeypatch.chdir(tmp_path)
    for name, workers in (("here", ProcessPool(1)), ("there", cluster)):
        config = FbankConfig(dither=1.0)
        extract_features(data.path, name, "final", config, workers, skip_bad=True)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_what_killed_workers_left_is_removed(data: DataDir, tmp_path: Path) -> None:
    out = tmp_path / "dump"
    out.mkdir()
    (out / ".feats.1.ark.tmp.7").write_bytes(b"half")
    extract_features(data.path, out, out, CONFIG)
    assert [path.name for path in out.glob(".*")] == []


def test_utterances_that_kill_are_faults(data: DataDir, tmp_path: Path) -> None:
    class Cluster:
        """Workers that are killed by two utterances."""

        count = 1

        def map(self, job: Job[Any, Any], tasks: Sequence[Any]) -> Iterator[Any]:
            assert job.split is not None
            assert job.without is not None
            for task in tasks:
                parts = job.split(task)
                whole = job.function(task)
                alone = [job.function(part) for part in parts.values()]
                frames = {name: n for part in alone for name, n in part.num_frames.items()}
                assert frames == whole.num_frames
                yield job.function(job.without(task, dict.fromkeys(("u1", "u3"), "kills")))

    out = tmp_path / "dump"
    with pytest.raises(FaultsError, match=r"u1: .*kills") as caught:
        extract_features(data.path, out, out, CONFIG, Cluster())
    assert [fault.name for fault in caught.value.faults] == ["u1", "u3"]
    done = extract_features(data.path, out, out, CONFIG, Cluster(), skip_bad=True)
    assert done.left_out.keys() == {"u1", "u3"}
    assert dict(kaldiio.load_scp(str(out / "feats.scp"))).keys() == {"u0", "u2", "u4", "u5", "u6"}


def test_segments(data: DataDir, tmp_path: Path) -> None:
    segments = {"a": Segment("u6", 0.1, 0.4), "b": Segment("u6", 0.4, -1.0)}
    text = dict.fromkeys(segments, "好")
    parts = DataDir(tmp_path / "parts", data.wav_scp, text, dict.fromkeys(segments, "s"), segments)
    parts.write(parts.path)
    out = tmp_path / "dump"
    extract_features(parts.path, out, out, CONFIG)
    assert read_table(out / "utt2num_frames") == {"a": "28", "b": "48"}
    samples, _ = read_audio(data.wav_scp["u6"])
    exact = compute_features(samples[1600:6400], RATE, CONFIG, "a")
    features = kaldiio.load_scp(str(out / "feats.scp"))["a"]
    assert np.abs(features - exact).max() < 0.2


def spoil(data: DataDir) -> dict[str, str]:
    """Spoil six of the seven recordings; return what is said of each."""
    soundfile.write(data.wav_scp["u1"], np.zeros(0), RATE)
    soundfile.write(data.wav_scp["u2"], np.zeros((800, 2)), RATE)
    soundfile.write(data.wav_scp["u3"], np.full(800, np.nan), RATE, subtype="FLOAT")
    soundfile.write(data.wav_scp["u4"], np.zeros(100), RATE)
    soundfile.write(data.wav_scp["u5"], np.zeros(800), 8000)
    Path(data.wav_scp["u6"]).write_bytes(b"no audio")
    reasons = ("is empty", "2 channels", "not finite", "too short", "8000 Hz", "cannot be read")
    return dict(zip(data.utterances[1:], reasons, strict=True))


def test_all_bad_utterances_are_named(data: DataDir, tmp_path: Path) -> None:
    reasons = spoil(data)
    with pytest.raises(FaultsError, match="6 faults") as caught:
        extract_features(data.path, tmp_path / "dump", "final", CONFIG)
    assert len(str(caught.value).splitlines()) == 7
    for fault, (name, reason) in zip(caught.value.faults, reasons.items(), strict=True):
        assert fault.name == name
        line = data.utterances.index(name) + 1
        assert str(fault).startswith(f"{data.path}/wav.scp:{line}: {name}: {data.wav_scp[name]}: ")
        assert reason in str(fault)
    assert not (tmp_path / "dump" / "feats.scp").exists()


def test_faults_of_tables_and_audio_come_together(data: DataDir, tmp_path: Path) -> None:
    Path(data.wav_scp["u1"]).write_bytes(b"no audio")
    Path(data.wav_scp["u2"]).unlink()
    lines = read_table(data.path / "text") | {"u3": "好<WIBBLE>", "u5": "。。。"}
    (data.path / "text").write_text("".join(f"{k} {v}\n" for k, v in lines.items() if k != "u4"))
    with pytest.raises(FaultsError) as caught:
        extract_features(data.path, tmp_path / "dump", "final", CONFIG)
    assert {fault.name for fault in caught.value.faults} == {"u1", "u2", "u3", "u4"}
    with pytest.raises(FaultsError, match="u3: 1 marks with unknown names: <WIBBLE>"):
        extract_features(data.path, tmp_path / "dump", "final", CONFIG)


def test_text_without_characters(data: DataDir, tmp_path: Path) -> None:
    lines = read_table(data.path / "text") | {"u2": "。。。"}
    (data.path / "text").write_text("".join(f"{k} {v}\n" for k, v in lines.items()))
    said: list[str] = []
    extract_features(data.path, tmp_path / "dump", "final", CONFIG, note=said.append)
    assert said[-1] == f"{data.path / 'text'}: 1 utterances without text left out: u2"
    for name in ("text", "feats.scp", "utt2spk", "utt2num_frames"):
        assert "u2" not in read_table(tmp_path / "dump" / name)
    report = json.loads((tmp_path / "dump" / TEXT_REPORT).read_text(encoding="utf-8"))
    assert report["dropped"] == ["u2"]
    assert report["num_utts"] == len(lines)


@pytest.mark.parametrize("jobs", [1, 2])
def test_bad_utterances_are_left_out(
    data: DataDir, tmp_path: Path, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_dir, "CHUNK_SIZE", 3)
    Path(data.wav_scp["u6"]).unlink()
    Path(data.wav_scp["u2"]).write_bytes(b"no audio")
    (data.path / "left_out").write_text("before no audio file\n")
    out = tmp_path / "dump"
    done = extract_features(data.path, out, out, CONFIG, ProcessPool(jobs), skip_bad=True)
    assert done.left_out.keys() == {"u2", "u6", "before"}
    assert "cannot be read as audio" in done.left_out["u2"]
    good = ["u0", "u1", "u3", "u4", "u5"]
    for name in ("feats.scp", "text", "utt2spk", "utt2num_frames"):
        assert list(read_table(out / name)) == good
    features = dict(kaldiio.load_scp(str(out / "feats.scp")))
    lengths = read_table(out / "utt2num_frames")
    assert {name: str(len(matrix)) for name, matrix in features.items()} == lengths
    for name in good:
        Path(data.wav_scp[name]).unlink()
    with pytest.raises(FaultsError, match="6 no audio file"):
        extract_features(data.path, tmp_path / "none", "final", CONFIG, skip_bad=True)


def test_own_corpora_are_converted(data: DataDir, tmp_path: Path) -> None:
    sound = noise(0.5, 1)
    soundfile.write(data.wav_scp["u1"], np.stack([sound, sound], axis=1), RATE)
    soundfile.write(data.wav_scp["u2"], noise(0.5, 2), 44100)
    with pytest.raises(FaultsError, match="2 bad audio"):
        extract_features(data.path, tmp_path / "a", "final", CONFIG)
    out = tmp_path / "b"
    done = extract_features(data.path, out, out, CONFIG.for_own_corpus())
    assert done.converted == {"2 channels": 1, "44100 Hz": 1}
    soundfile.write(data.wav_scp["u1"], sound, RATE)
    alone = tmp_path / "c"
    extract_features(data.path, alone, alone, CONFIG.for_own_corpus())
    both = [dict(kaldiio.load_scp(str(path / "feats.scp")))["u1"] for path in (out, alone)]
    np.testing.assert_allclose(*both, atol=1e-3)
    strict = FbankConfig(resample=False, channel=2)
    assert strict.for_own_corpus() == strict
