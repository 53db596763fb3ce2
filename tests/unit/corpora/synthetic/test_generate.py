"""The corpus on disk does not depend on the number of processes or on the other styles."""

import hashlib
import wave
from pathlib import Path

import numpy as np
import pytest
from local_cluster import Suspects

from speechmoe_espnet.corpora.synthetic.generate import generate, plan_corpus, write_sets
from speechmoe_espnet.corpora.synthetic.presets import STYLES, Preset
from speechmoe_espnet.data.kaldi_dir import DataDir
from speechmoe_espnet.pipeline.dask_workers import DaskWorkers
from speechmoe_espnet.pipeline.pool import ProcessPool
from speechmoe_espnet.pipeline.workers import Workers

PRESET = Preset("test", 36, 2, 3, 0, 600, train_speakers=5, dev_speakers=2, eval_speakers=2)


def make(
    folder: Path, styles: list[str], nj: int | Workers, preset: Preset = PRESET
) -> dict[str, str]:
    utterances = plan_corpus(styles, preset, seed=5)
    workers = ProcessPool(nj) if isinstance(nj, int) else nj
    seconds = list(generate(utterances, folder, seed=5, workers=workers))
    write_sets(utterances, folder, "data/x")
    assert len(seconds) == len(utterances)
    return digests(folder)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    make(folder, list(STYLES), nj=1)
    return folder


def test_two_processes_make_the_same_bytes(corpus, tmp_path):
    assert make(tmp_path, list(STYLES), nj=2) == digests(corpus)


def test_bytes_are_those_of_a_cluster(corpus: Path, tmp_path: Path, cluster: DaskWorkers) -> None:
    assert make(tmp_path, list(STYLES), cluster) == digests(corpus)


def test_utterances_that_kill_workers_have_names(tmp_path: Path) -> None:
    utterances = plan_corpus(["read"], PRESET, seed=5)
    suspects = Suspects()
    list(generate(utterances, tmp_path, 5, suspects, [tmp_path.exists]))
    assert suspects.names[0] == []
    assert [name for names in suspects.names for name in names] == [u.name for u in utterances]


def test_one_style_alone_has_the_same_utterances(corpus, tmp_path):
    alone = make(tmp_path, ["spon"], nj=1)
    whole = digests(corpus)
    for name, digest in alone.items():
        if name.startswith(("wav/", "spon/")):
            assert whole[name] == digest
    train, union = DataDir.load(tmp_path / "train"), DataDir.load(corpus / "train")
    assert train.text.items() < union.text.items()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dev", "spon", "train", "wav"]


def test_fewer_training_utterances_are_the_first_ones(corpus, tmp_path):
    fewer = make(tmp_path, ["read"], nj=1, preset=PRESET.with_train_utts(33))
    whole = digests(corpus)
    assert all(whole[name] == digest for name, digest in fewer.items() if name.startswith("wav/"))


def test_audio_is_speech(corpus):
    for name in ("train", "dev", *STYLES):
        data = DataDir.load(corpus / name)
        for utterance, path in data.wav_scp.items():
            assert path.startswith("data/x/wav/")
            with wave.open(str(corpus / path.removeprefix("data/x/"))) as file:
                assert file.getparams()[:3] == (1, 2, 16000)
                samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            syllables = len(data.text[utterance].replace("，", ""))
            assert 2 < syllables / (len(samples) / 16000) < 7
            assert 100 < samples.std() < 12000
            assert np.abs(samples.astype(int)).max() < 32767
