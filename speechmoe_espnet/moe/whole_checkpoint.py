"""Checkpoints of divided experts: written whole by the first rank, read at any number of ranks.

A checkpoint is what one process would write: parameters and optimizer states of all experts, under
the usual names. So a training may go on with other numbers of processes, and decoding, export and
upcycling know nothing of ranks.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from speechmoe_espnet.moe.expert_parallel import Divided, Ranks, divided_modules


class WholeCheckpoint:
    """Makes `state_dict()` of a model and its optimizers whole, and loading divide again.

    Loading works from the start: every rank calls `load_state_dict` with the whole state. Before
    the first rank saves, every rank calls `gather`; between `gather` and `release`, `state_dict()`
    is whole on the first rank. Its main memory then holds all experts and their optimizer states.

    Args:
        model: The model.
        optimizers: Its optimizers. A state of the shape of its parameter is divided like the
            parameter; others (as the number of steps) are the same on every rank.
    """

    def __init__(self, model: nn.Module, optimizers: Sequence[torch.optim.Optimizer] = ()) -> None:
        self._modules = [module for _, module in divided_modules(model)]
        self._owners: dict[int, Divided] = {
            id(parameter): module
            for module in self._modules
            for parameter in module.parameters(recurse=False)
        }
        self._optimizers = list(optimizers)
        self._states: dict[int, dict[str, Any]] | None = None
        if self._owners:
            for optimizer in optimizers:
                optimizer.register_state_dict_post_hook(self._saved)
                optimizer.register_load_state_dict_pre_hook(self._loaded)

    def gather(self) -> None:
        """Collect all experts and their optimizer states on the first rank; a collective call."""
        for module in self._modules:
            assert module.ranks is not None
            module.whole = {
                name: _gathered(parameter.detach(), module.ranks)
                for name, parameter in module.named_parameters(recurse=False)
            }
        self._states = {}
        for optimizer in self._optimizers:
            for parameter in _parameters(optimizer):
                owner = self._owners.get(id(parameter))
                if owner is not None and parameter in optimizer.state:
                    assert owner.ranks is not None
                    self._states[id(parameter)] = {
                        name: _gathered(value, owner.ranks)
                        if _is_divided(value, parameter)
                        else value
                        for name, value in optimizer.state[parameter].items()
                    }

    def release(self) -> None:
        """Forget what was gathered."""
        for module in self._modules:
            module.whole = None
        self._states = None

    def _saved(self, optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
        if self._states is None:
            raise RuntimeError("experts are divided among processes; call gather before saving")
        states = dict(saved["state"])
        for parameter, number in zip(_parameters(optimizer), _numbers(saved), strict=True):
            if id(parameter) in self._states:
                states[number] = self._states[id(parameter)]
        return saved | {"state": states}

    def _loaded(self, optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
        states = dict(saved["state"])
        numbers = _numbers(saved)
        # What does not fit is for torch to refuse.
        for parameter, number in zip(_parameters(optimizer), numbers, strict=False):
            owner = self._owners.get(id(parameter))
            if owner is not None and number in states:
                states[number] = {
                    name: owner.mine(value) if isinstance(value, Tensor) else value
                    for name, value in states[number].items()
                }
        return saved | {"state": states}


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _numbers(saved: dict[str, Any]) -> list[int]:
    """Numbers of the parameters in a saved state, in the order of `_parameters`."""
    return [number for group in saved["param_groups"] for number in group["params"]]


def _is_divided(value: Any, parameter: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == parameter.shape


def _gathered(part: Tensor, ranks: Ranks) -> Tensor:
    """All ranks' parts one after the other, in main memory; on other ranks than the first empty."""
    part = part.contiguous()
    if ranks.rank:
        dist.gather(part, group=ranks.group, group_dst=0)
        return part.new_empty(0, device="cpu")
    parts = [torch.empty_like(part) for _ in range(ranks.size)]
    dist.gather(part, parts, group=ranks.group, group_dst=0)
    return torch.cat([each.cpu() for each in parts])
