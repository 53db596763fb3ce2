import datetime
import json

import pytest
import torch
from espnet2.train.reporter import Reporter

from speechmoe_espnet.espnet.checkpoints import (
    forget_averages,
    repair_after_kill,
    write_train_stats,
)
from speechmoe_espnet.espnet.patches import atomic_torch_save


class Unpicklable:
    def __reduce__(self):
        raise RuntimeError("stopped in the middle of saving")


def checkpoint(path, epochs=2):
    reporter = Reporter()
    for epoch in range(1, epochs + 1):
        reporter.set_epoch(epoch)
        reporter.stats[epoch] = {
            phase: {
                "loss": 10.0 / epoch,
                "router_confidence": 0.5,
                "time": datetime.timedelta(seconds=3),
                "total_count": 20 * epoch,
            }
            for phase in ("train", "valid")
        }
        reporter.stats[epoch]["train"] |= {"iter_time": 0.01 * epoch}
    model = {"weight": torch.ones(2)}
    torch.save({"model": model, "reporter": reporter.state_dict()}, path / "checkpoint.pth")
    return model


def test_a_save_that_is_stopped_leaves_the_old_file(tmp_path):
    target = tmp_path / "checkpoint.pth"
    torch.save({"step": 1}, target)
    save = torch.save
    with atomic_torch_save():
        with pytest.raises(RuntimeError, match="stopped in the middle"):
            torch.save({"step": 2, "bad": Unpicklable()}, target)
        assert torch.load(target) == {"step": 1}
        torch.save({"step": 3}, target)
    assert torch.load(target) == {"step": 3}
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pth"]
    assert torch.save is save


def test_epoch_file_missing_after_a_kill_is_written(tmp_path):
    model = checkpoint(tmp_path)
    repair_after_kill(tmp_path)
    assert torch.equal(torch.load(tmp_path / "2epoch.pth")["weight"], model["weight"])


def test_nothing_to_repair(tmp_path):
    repair_after_kill(tmp_path)
    assert list(tmp_path.iterdir()) == []
    checkpoint(tmp_path)
    (tmp_path / "2epoch.pth").write_text("as it was")
    repair_after_kill(tmp_path)
    assert (tmp_path / "2epoch.pth").read_text() == "as it was"


def test_train_stats_are_one_line_an_epoch(tmp_path):
    checkpoint(tmp_path)
    write_train_stats(tmp_path)
    lines = [json.loads(x) for x in (tmp_path / "train_stats.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert lines[1] == {
        "epoch": 2,
        "steps": 40,
        "seconds": 6.0,
        "seconds_train": 3.0,
        "seconds_waiting": 0.02 * 20,
        "train": {"loss": 5.0, "router_confidence": 0.5, "iter_time": 0.02},
        "valid": {"loss": 5.0, "router_confidence": 0.5},
    }


def test_averages_of_a_shorter_training_are_forgotten(tmp_path):
    for name in ("1epoch.pth", "valid.loss.ave_2best.pth", "checkpoint.pth"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "valid.loss.ave_1best.pth").symlink_to("gone.pth")
    (tmp_path / "valid.loss.ave.pth").symlink_to("valid.loss.ave_1best.pth")
    (tmp_path / "valid.loss.best.pth").symlink_to("1epoch.pth")
    forget_averages(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"1epoch.pth", "checkpoint.pth", "valid.loss.best.pth"}
