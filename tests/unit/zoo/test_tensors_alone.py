"""Checkpoints of anybody: what is more than tensors is refused unread."""

import os
from pathlib import Path

import pytest
import torch

from speechmoe_espnet.zoo.tensors_alone import check_tensors_alone


class Program:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.parametrize("new", [True, False])
def test_a_program_in_a_checkpoint_does_not_run(
    new: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESPNET_ALLOW_UNSAFE_TORCH_LOAD", "1")
    witness, path = tmp_path / "witness", tmp_path / "x.pth"
    content = {"weight": torch.ones(1), "more": Program(f"touch {witness}")}
    torch.save(content, path, _use_new_zipfile_serialization=new)
    with pytest.raises(ValueError, match=r"x\.pth: not a checkpoint of tensors alone") as caught:
        check_tensors_alone(path)
    assert "\n" not in str(caught.value)
    assert not witness.exists()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\3\4" + bytes(40)])
def test_what_is_no_checkpoint_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.pth: .* or damaged"):
        check_tensors_alone(tmp_path / "x.pth")


@pytest.mark.parametrize("new", [True, False])
def test_tensors_pass(new: bool, tmp_path: Path) -> None:
    content = {"module": {"weight": torch.ones(3), "steps": torch.tensor(3)}}
    torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=new)
    check_tensors_alone(tmp_path / "x.pth")
