"""Length of a training: preset, configuration and the user's arguments."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from speechmoe_espnet.recipe.training_args import length_args


@pytest.mark.parametrize(
    ("config", "args", "tiny", "found"),
    [
        ("max_epoch: 8", (), False, ("--max_epoch", "8")),
        ("lr: 1", (), False, ("--max_epoch", "40")),
        ("max_epoch: 8", ("--max_epoch", "9"), False, ("--max_epoch", "9")),
        ("max_epoch: 8", ("--max_epoch=9",), False, ("--max_epoch", "9")),
        ("max_epoch: 8", ("--max_epoch", "9", "--max_epoch=7"), False, ("--max_epoch", "7")),
        ("max_epoch: 8", (), True, ("--max_epoch", "2", "--num_iters_per_epoch", "4")),
        ("max_epoch: 1", (), True, ("--max_epoch", "1", "--num_iters_per_epoch", "4")),
        ("num_iters_per_epoch: 3", (), True, ("--max_epoch", "2", "--num_iters_per_epoch", "3")),
        ("num_iters_per_epoch: 300", (), True, ("--max_epoch", "2", "--num_iters_per_epoch", "4")),
        ("lr: 1", ("--max_epoch", "5"), True, ("--max_epoch", "5", "--num_iters_per_epoch", "4")),
        ("lr: 1", ("--num_iters_per_epoch", "7"), True, ("--max_epoch", "2")),
    ],
)
def test_the_user_wins_over_tiny_and_tiny_over_the_configuration(
    tmp_path: Path, config: str, args: Sequence[str], tiny: bool, found: Sequence[str]
) -> None:
    (tmp_path / "train.yaml").write_text(f"{config}\n")
    assert length_args(tmp_path / "train.yaml", args, tiny=tiny) == list(found)


@pytest.mark.parametrize(
    ("config", "args", "said"),
    [
        ("max_epoch: soon", (), r"train\.yaml: max_epoch: expected a whole number, got 'soon'"),
        ("lr: 1", ("--max_epoch", "many"), "--asr-args: max_epoch: expected a whole number"),
        ("num_iters_per_epoch: some", (), r"train\.yaml: num_iters_per_epoch: expected a whole"),
        ("{", (), r"train\.yaml:2: not YAML"),
        ("words", (), r"train\.yaml: expected `key: value` lines, got 'words'"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, config: str, args: Sequence[str], said: str) -> None:
    (tmp_path / "train.yaml").write_text(f"{config}\n")
    with pytest.raises(ValueError, match=said):
        length_args(tmp_path / "train.yaml", args, tiny=True)
