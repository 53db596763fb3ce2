from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from models import TOKENS, build

pytest.importorskip("lightning", reason="needs the packages of the extra espnet3")

from espnet3.components.trainers.trainer import ESPnet3LightningTrainer
from espnet3.systems.base import training
from espnet3_training import lightning_module

from speechmoe_espnet.task import lightning_trainer
from speechmoe_espnet.task.lightning_trainer import AtomicCheckpointIO, SpeechMoELightningTrainer


class Combined:
    """What ESPnet3 makes of the sets of a part: items by position, here their labels."""

    def __init__(self, labels=(), names=None):
        self.labels = labels
        self.datasets = [SimpleNamespace(utterances=names) if names else []]

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return {"text": np.array(self.labels[index])}


@pytest.fixture
def fit(tmp_path, monkeypatch):
    """Begin a training up to where Lightning would take over; return its trainer."""
    monkeypatch.setattr(ESPnet3LightningTrainer, "fit", lambda self: None)

    def begin(*args, labels=(), names=None, **kwargs):
        module = lightning_module(*args, **kwargs)
        module.train_dataset = module.valid_dataset = Combined(labels, names)
        trainer = training.ESPnet3LightningTrainer(
            model=module, exp_dir=str(tmp_path), config=module.config.trainer
        )
        trainer.fit()
        return trainer

    return begin


def shapes(folder, frames, labels, part="train"):
    (folder / part).mkdir(parents=True)
    for name, lengths, dim in (("feats", frames, 40), ("text", map(len, labels), len(TOKENS))):
        lines = [f"{key} {length},{dim}\n" for key, length in enumerate(lengths)]
        (folder / part / f"{name}_shape").write_text("".join(lines))


def test_a_training_of_espnet3_has_our_trainer(fit):
    assert type(fit()) is SpeechMoELightningTrainer


@pytest.mark.parametrize("part", ["train", "valid"])
def test_utterances_that_are_too_short_are_named(fit, tmp_path, part):
    labels = [range(30), range(11)]
    shapes(tmp_path / "stats", [90, 29], labels, part)
    data = {"stats_dir": str(tmp_path / "stats"), "labels": labels}
    message = r"1 of 2 utterances .* b \(10 frames after subsampling, 11 labels\)"
    with pytest.raises(ValueError, match=message):
        fit(**data, names=("a", "b"))
    with pytest.raises(ValueError, match=r"item 1 \(10 frames"):
        fit(**data)


def test_a_repeated_label_needs_one_frame_more(fit, tmp_path):
    labels = [[2, 3, 4, 5, 6, 7, 8, 9, 10, 10]]
    shapes(tmp_path / "stats", [30], labels)
    with pytest.raises(ValueError, match="10 labels, 1 of them as the one before"):
        fit(stats_dir=str(tmp_path / "stats"), labels=labels)


def test_the_strongest_speed_up_counts_in_training_alone(fit, tmp_path):
    variation = {"specaug": "vary", "specaug_conf": {"speed": [0.8, 1.25]}}
    labels = [range(10)]
    shapes(tmp_path / "valid", [34], labels, "valid")
    fit(model=variation, stats_dir=str(tmp_path / "valid"), labels=labels)
    shapes(tmp_path / "train", [34], labels)
    with pytest.raises(ValueError, match="9 frames after speed-up and subsampling"):
        fit(model=variation, stats_dir=str(tmp_path / "train"), labels=labels)


def test_long_enough_utterances_pass(fit, tmp_path, caplog):
    labels = [range(10)]
    for part in ("train", "valid"):
        shapes(tmp_path / "stats", [30], labels, part)
    fit(stats_dir=str(tmp_path / "stats"), labels=labels)
    assert "not checked" not in caplog.text


def test_statistics_of_another_set_are_refused(fit, tmp_path):
    shapes(tmp_path / "stats", [90], [range(3)])
    with pytest.raises(ValueError, match=r"1 utterances, but the set train has 2.*collect_stats"):
        fit(stats_dir=str(tmp_path / "stats"), labels=[range(3), range(3)])


def test_without_statistics_a_warning_says_so(fit, caplog):
    fit()
    assert "lengths of train are not checked" in caplog.text
    assert "collect_stats" in caplog.text


@pytest.mark.parametrize("wrapper", [None, "state_dict"])
def test_init_param_upcycles_a_dense_baseline(fit, tmp_path, wrapper):
    static = build(encoder_conf={"moe_conf": {"num_experts": 1}}).state_dict()
    path = tmp_path / "static.pth"
    torch.save({wrapper: static} if wrapper else static, path)
    state = fit(model={"init_param": [str(path)]}).model.model.state_dict()
    name = next(key for key in static if "backbone" in key and ".experts." in key)
    assert static[name].size(0) == 1 < state[name].size(0)
    assert torch.equal(state[name], static[name].expand_as(state[name]))


def test_a_file_that_does_not_fit_is_refused(fit, tmp_path):
    torch.save({"ctc.ctc_lo.bias": torch.zeros(len(TOKENS))}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="would keep random values"):
        fit(model={"init_param": [str(tmp_path / "other.pth")]})


def test_sharded_gradients_are_refused(fit, monkeypatch):
    monkeypatch.setattr(lightning_trainer, "SingleDeviceStrategy", int)
    with pytest.raises(ValueError, match="clip_by_group cannot be combined with SingleDevice"):
        fit(
            {"clip_by_group": True},
            trainer={
                "accelerator": "cpu",
                "log_every_n_steps": 1,
                "logger": False,
                "gradient_clip_val": 1.0,
            },
        )


def test_checkpoints_are_moved_into_place(fit, tmp_path, monkeypatch):
    trainer = fit()
    plugin = trainer.trainer.strategy.checkpoint_io
    assert type(plugin) is AtomicCheckpointIO
    target = tmp_path / "deep" / "step.ckpt"
    plugin.save_checkpoint({"a": 1}, target)

    def killed(self, other):
        assert Path(self).parent == target.parent
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        plugin.save_checkpoint({"a": 2}, target)
    assert torch.load(target) == {"a": 1}
    assert [path.name for path in target.parent.iterdir()] == ["step.ckpt"]


def test_averages_are_moved_into_place(tmp_path, monkeypatch):
    saved = []

    def train(self):
        torch.save({}, tmp_path / "valid.loss.ave_1best.pth")
        saved.append(True)

    replaced = []
    real = Path.replace
    monkeypatch.setattr(Path, "replace", lambda a, b: replaced.append(b) or real(a, b))
    monkeypatch.setattr(ESPnet3LightningTrainer, "fit", train)
    module = lightning_module()
    module.train_dataset = module.valid_dataset = Combined()
    SpeechMoELightningTrainer(
        model=module, exp_dir=str(tmp_path), config=module.config.trainer
    ).fit()
    assert saved
    assert replaced == [tmp_path / "valid.loss.ave_1best.pth"]


@pytest.mark.parametrize(
    ("file", "lines", "message"),
    [
        ("text_shape", ["0 2,8", "2 3,8"], "2 utterances, feats_shape has 2: 2 are in one"),
        ("text_shape", ["0 2,8", "1 4,8"], "b: 4 labels, but in the set train it has 3 now"),
        ("text_shape", ["0 2,8", "1 x"], "expected a length"),
        ("text_shape", [], "0 utterances, feats_shape has 2"),
    ],
)
def test_statistics_that_do_not_fit_the_set_are_refused(fit, tmp_path, file, lines, message):
    labels = [range(2), range(3)]
    shapes(tmp_path / "stats", [60, 60], labels)
    shapes(tmp_path / "stats", [60, 60], labels, "valid")
    data = {"stats_dir": str(tmp_path / "stats"), "labels": labels, "names": ("a", "b")}
    fit(**data)
    (tmp_path / "stats/train" / file).write_text("".join(f"{line}\n" for line in lines))
    with pytest.raises(ValueError, match=f"train.{file}.*{message}"):
        fit(**data)
