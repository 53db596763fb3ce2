"""Reader of checkpoints, the only one: whole files of finite numbers, which fit their model.

torch reads a file whose checksums are wrong, and ESPnet leaves tensors that a file lacks at their
random values and advises to load damaged files with code in them. Either is a model that is worse,
without a word.
"""

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from speechmoe_espnet.data.placeholder import PLACEHOLDER_BYTES, refuse_placeholder
from speechmoe_espnet.espnet.steps import is_count

_ZIP = b"PK\x03\x04"
_SHOWN = 3


def read_checkpoint(path: str | Path, map_location: Any = "cpu", **_: Any) -> Any:
    """Read a checkpoint; takes the arguments of ESPnet's safe_torch_load.

    Args:
        path: What torch.save wrote (torch 1.6 or later), of tensors and plain values.
        map_location: Device to load to.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a checkpoint, is damaged, holds other objects, or a tensor has
            a value that is not finite; the message names the file and what is wrong.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    _check_zip(path)
    try:
        saved = torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:
        # The pickle inside may be of anything, and torch raises what its reading meets.
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise ValueError(
            f"{path}: not a checkpoint of tensors and plain values, which alone are read "
            f"({_first_line(error)})"
        ) from None
    for name, tensor in _tensors(saved):
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(
                f"{path}: {name} has values that are not finite: the training diverged or the "
                f"file is damaged; take an earlier checkpoint"
            )
    return saved


def read_state(path: str | Path, map_location: Any = "cpu") -> dict[str, Tensor]:
    """Read the parameters of a model by name, also out of DeepSpeed's and Lightning's files.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: As `read_checkpoint`, or the file does not hold parameters by name.
    """
    return state_of(read_checkpoint(path, map_location), path)


def state_of(saved: Any, path: str | Path) -> dict[str, Tensor]:
    """The parameters in what `read_checkpoint` returned; see `read_state`."""
    for wrapper in ("module", "state_dict"):
        if isinstance(saved, dict):
            saved = saved.get(wrapper, saved)
    if not isinstance(saved, dict) or not saved:
        raise ValueError(f"{path}: expected parameters by name, got {type(saved).__name__}")
    for name, value in saved.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ValueError(
                f"{path}: expected parameters by name, but {name!r} is {type(value).__name__}; "
                f"checkpoint.pth is for resuming, models are in *epoch.pth and *.ave.pth"
            )
    return saved


def check_fits(
    model: nn.Module, state: dict[str, Tensor], path: str | Path, *, unused: bool = False
) -> None:
    """Check that a file has every tensor of a model, of its shape, and no others.

    Counts of training steps may be on one side alone.

    Args:
        model: The model.
        state: What `read_state` returned.
        path: The file, for messages.
        unused: Whether the file may have other tensors; a warning names them.

    Raises:
        ValueError: Naming the first tensors.
    """
    wanted = model.state_dict()
    more = state.keys() - wanted.keys()
    for what, names in (
        ("lacks {} tensors of the model that config.yaml describes", wanted.keys() - state.keys()),
        ("has {} tensors that the model of config.yaml lacks", set() if unused else more),
        (
            "has {} tensors of another shape than the model of config.yaml",
            {n for n in wanted.keys() & state.keys() if wanted[n].shape != state[n].shape},
        ),
    ):
        if found := sorted(name for name in names if not is_count(name)):
            raise ValueError(
                f"{path}: does not fit config.yaml beside it: {what.format(len(found))}, "
                f"{', '.join(found[:_SHOWN])} among them; the two belong to different trainings"
            )
    if more and unused:
        print(
            f"warning: {path}: {len(more)} tensors have no place in the model: "
            f"{', '.join(sorted(more)[:_SHOWN])}",
            file=sys.stderr,
        )


def load_into(model: nn.Module, path: str | Path) -> None:
    """Read a file and load every tensor of a model from it.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: As `read_state` and `check_fits`.
    """
    state = read_state(path)
    check_fits(model, state, path)
    model.load_state_dict(state)


def _check_zip(path: Path) -> None:
    with open(path, "rb") as file:
        head = file.read(PLACEHOLDER_BYTES)
    refuse_placeholder(head, path)
    if not head.startswith(_ZIP):
        raise ValueError(
            f"{path}: not a checkpoint, or damaged at its begin ({path.stat().st_size} bytes); "
            f"copy it again (files of torch before 1.6 must be loaded and saved by a newer one)"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            odd = [member.filename for member in members if member.compress_type]
            if odd or len({member.filename for member in members}) < len(members):
                raise zipfile.BadZipFile("not as torch writes it")
            bad = archive.testzip()
    except Exception as error:
        # zipfile raises what the damage makes of the headers: errors of struct, of text, of zlib.
        raise ValueError(
            f"{path}: damaged or cut off ({_first_line(error)}); copy it again or take an earlier "
            f"checkpoint"
        ) from None
    if bad is not None:
        raise ValueError(
            f"{path}: damaged: the checksum of {bad!r} is wrong; copy it again or take an earlier "
            f"checkpoint"
        )


def _tensors(saved: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """All tensors, by their keys joined with dots."""
    if isinstance(saved, Tensor):
        yield name, saved
        return
    if isinstance(saved, dict):
        items = saved.items()
    elif isinstance(saved, list | tuple):
        items = dict(enumerate(saved)).items()
    else:
        return
    for key, value in items:
        yield from _tensors(value, f"{name}.{key}" if name else str(key))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
