"""A training in place that is asked for more epochs goes on; any other change begins anew."""

from pathlib import Path

import pytest

from speechmoe_espnet.pipeline.digests import split_options
from speechmoe_espnet.pipeline.stage import Stage, run


def training(target: Path, *options: str) -> Stage:
    command = ("sh", "-c", "echo $* >> {out}/epochs", "train", *options)
    return Stage(target=target, command=command, in_place=True, may_grow=("max_epoch",))


def test_more_epochs_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "exp"
    assert run(training(target, "--lr", "1", "--max_epoch", "2"))
    assert not run(training(target, "--lr", "1", "--max_epoch", "2"))
    assert run(training(target, "--lr", "1", "--max_epoch", "10"))
    assert "resuming" in capsys.readouterr().out
    assert len((target / "epochs").read_text().splitlines()) == 2
    assert not run(training(target, "--lr", "1", "--max_epoch", "10"))


@pytest.mark.parametrize(
    "options",
    [
        ("--lr", "1", "--max_epoch", "1"),  # what was trained for longer cannot be had shorter
        ("--lr", "2", "--max_epoch", "3"),
        ("--lr", "1", "--max_epoch", "many"),
        ("--lr", "1"),
    ],
)
def test_other_changes_begin_anew(tmp_path: Path, options: tuple[str, ...]) -> None:
    target = tmp_path / "exp"
    run(training(target, "--lr", "1", "--max_epoch", "2"))
    assert run(training(target, *options))
    assert len((target / "epochs").read_text().splitlines()) == 1
    assert (tmp_path / "exp.bak.1").is_dir()


def test_what_was_made_with_other_processes_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def stage(*options: str) -> Stage:
        command = ("sh", "-c", "touch {out}/text", "decode", *options)
        return Stage(target=tmp_path / "decode", command=command)

    assert run(stage("--nj", "2", "--num_threads", "1"))
    assert not run(stage("--nj", "2", "--num_threads", "1"))
    assert "measured" not in capsys.readouterr().out
    assert not run(stage("--nj", "4", "--num_threads", "1"))
    told = capsys.readouterr().out
    assert "up to date (made, and its times measured, with --nj 2 --num_threads 1)" in told


def test_options_are_split_from_a_command() -> None:
    words = ["train", "--max-epoch", "2", "--nj=3", "--flag", "--max_epoch", "4", "x"]
    assert split_options(words, {"max_epoch", "nj"}) == (
        ["train", "--flag", "x"],
        {"max_epoch": "4", "nj": "3"},
    )
