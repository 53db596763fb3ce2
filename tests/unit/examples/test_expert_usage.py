"""What experts divide among themselves: bits by definition, frames of a tiny model."""

import runpy
from pathlib import Path

import kaldiio
import numpy as np
import pytest
from models import TOKENS, build

EXAMPLE = Path(__file__).parents[3] / "examples/expert_usage.py"
NUM_FRAMES = 20_000


@pytest.fixture(scope="module")
def example():
    return runpy.run_path(str(EXAMPLE))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def data_dir(tmp_path, rng):
    """Two utterances of two speakers, 1 s of noise as features each."""
    feats = {name: rng.normal(size=(100, 40)).astype(np.float32) for name in ("a_1", "b_1")}
    kaldiio.save_ark(str(tmp_path / "feats.ark"), feats, scp=str(tmp_path / "feats.scp"))
    (tmp_path / "utt2spk").write_text("a_1 a\nb_1 b\n")
    return tmp_path


def test_bits_by_definition(example):
    labels = np.array([0, 0, 1, 1])
    assert example["entropy"](labels) == pytest.approx(1.0)
    assert example["information"](labels, labels) == pytest.approx(1.0)
    assert example["information"](labels, np.array([0, 1, 0, 1])) == pytest.approx(0.0, abs=1e-12)


def test_what_means_nothing_tells_nothing(example, rng):
    experts = rng.integers(16, size=NUM_FRAMES)
    labels = {"speaker": rng.integers(400, size=NUM_FRAMES)}
    assert example["information"](experts, labels["speaker"]) > 0.1
    assert example["shared_bits"](experts, labels, "speaker", rng) == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize(("goes_by", "beyond"), [("syllable", 0.0), ("character", 1.0)])
def test_characters_count_beyond_their_sound(example, rng, goes_by, beyond):
    character = rng.integers(32, size=NUM_FRAMES)
    labels = {"character": character, "syllable": character // 2}
    bits = {
        name: example["shared_bits"](labels[goes_by], labels, name, rng)
        for name in ("syllable", "character")
    }
    assert bits["syllable"] == pytest.approx(4.0, abs=0.05)
    assert bits["character"] - bits["syllable"] == pytest.approx(beyond, abs=0.05)


def test_shuffling_stays_within_groups(example, rng):
    groups = rng.integers(5, size=100)
    shuffled = example["shuffled_within"](np.arange(100), groups, rng)
    assert sorted(shuffled) == list(range(100))
    assert not np.array_equal(shuffled, np.arange(100))
    np.testing.assert_array_equal(groups[shuffled], groups)


def test_frames_of_a_model(example, data_dir):
    model = build(encoder_conf={"moe_conf": {"num_experts": 4}}).eval()
    frames = example["run_model"](model, [data_dir])
    assert frames.experts.shape[0] == 2
    assert set(np.unique(frames.experts)) <= set(range(4))
    sizes = {len(labels) for labels in frames.labels.values()}
    assert sizes == {frames.experts.shape[1]}
    assert np.bincount(frames.labels["speaker"]).tolist() == [frames.experts.shape[1] // 2] * 2
    assert frames.labels["character"].max() < len(TOKENS)


def test_a_static_model_is_refused(example, data_dir):
    model = build(encoder_conf={"moe_conf": {"num_experts": 1}}).eval()
    with pytest.raises(ValueError, match="no experts"):
        example["run_model"](model, [data_dir])


def test_a_syllable_is_of_hanzi(example):
    assert example["syllable"]("一").startswith("yi")
    assert example["syllable"]("D") == "D"
