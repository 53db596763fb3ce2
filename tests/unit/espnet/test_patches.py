import kaldiio
import numpy as np
import pytest
import typeguard
from espnet2.train.dataset import kaldi_loader
from espnet2.train.trainer import Trainer
from omniio.tools.kaldi import compression

from speechmoe_espnet.espnet import patches
from speechmoe_espnet.espnet.patches import training_patches


@pytest.fixture(scope="module")
def features():
    return np.random.default_rng(0).standard_normal((200, 40)).astype(np.float32)


def load(folder, features, method):
    ark, scp = folder / "a.ark", folder / "a.scp"
    with kaldiio.WriteHelper(f"ark,scp:{ark},{scp}", compression_method=method) as writer:
        writer("a", features)
    return kaldi_loader(str(scp))["a"]


@pytest.mark.parametrize("method", [None, 2, 3, 5])
def test_espnet_loads_the_same_values(tmp_path, features, method):
    expected = load(tmp_path, features, method)
    with training_patches():
        got = load(tmp_path, features, method)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


def test_speech_features_take_the_fast_way_meanwhile(tmp_path, features, monkeypatch):
    calls = []

    def counted(payload):
        calls.append(len(payload))
        return features

    monkeypatch.setattr(patches, "decompressed_matrix", counted)
    slow = compression.decompress
    with training_patches():
        load(tmp_path, features, 2)
        load(tmp_path, features, 3)
    assert calls == [16 + 40 * (8 + 200)]
    assert compression.decompress is slow


def test_training_runs_without_type_checks_and_only_training(monkeypatch):
    @typeguard.typechecked
    def takes_int(number: int) -> None:
        seen.append(number)

    seen, classes = [], []

    def run(cls, word):
        classes.append(cls)
        takes_int(word)

    class Other(Trainer):
        pass

    monkeypatch.setattr(Trainer, "run", classmethod(run))
    with training_patches():
        Trainer.run("a")
        Other.run(word="b")
        with pytest.raises(typeguard.TypeCheckError):
            takes_int("c")
    assert seen == ["a", "b"]
    assert classes == [Trainer, Other]
    with pytest.raises(typeguard.TypeCheckError):
        Trainer.run("d")
