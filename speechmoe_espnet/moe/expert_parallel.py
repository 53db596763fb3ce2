"""Experts divided among the processes of a training (expert parallelism), in plain torch.

Each of N ranks holds E/N experts of every layer; frames go to the rank of their expert and back.
All else is on every rank. Two exchanges a layer, `all_to_all_single_autograd`, have splits as
uneven as the routing; the backward pass makes the same two the other way round.

Shapes: M frames of this rank, K experts a frame, E experts in all, R rows that arrive here.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import _functional_collectives as collectives

_c10d: Any = dist.distributed_c10d  # Neither has complete types.
_collectives: Any = collectives
COUNT_BYTES = 8
"""Bytes of a number of rows: int64."""


@dataclass(frozen=True)
class Ranks:
    """Processes that train together.

    Attributes:
        name: Name of their process group. The group itself cannot be copied or pickled, which a
            module that holds it must be.
        rank: The number of this process, from 0.
        size: N.
    """

    name: str
    rank: int
    size: int

    @property
    def group(self) -> dist.ProcessGroup:
        """Their process group."""
        return cast(dist.ProcessGroup, _c10d._resolve_process_group(self.name))

    def share(self, num_experts: int) -> slice:
        """Numbers of the experts that this rank holds."""
        count = num_experts // self.size
        return slice(self.rank * count, (self.rank + 1) * count)


def all_ranks() -> Ranks | None:
    """The ranks of this process's training; None where it trains alone."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return None
    name = cast(dist.ProcessGroup, dist.group.WORLD).group_name
    return Ranks(name, dist.get_rank(), dist.get_world_size())


def ranks_of_experts(num_experts: int) -> Ranks | None:
    """The ranks that divide E experts among themselves; None where one process has all.

    Raises:
        ValueError: Where they cannot have equally many.
    """
    ranks = all_ranks()
    if ranks is not None and num_experts % ranks.size:
        fitting = [str(n) for n in range(1, num_experts + 1) if num_experts % n == 0]
        raise ValueError(
            f"moe_conf: expert_parallel: true cannot divide num_experts {num_experts} among "
            f"{ranks.size} processes; take {', '.join(fitting)} processes, another num_experts, or "
            "expert_parallel: false"
        )
    return ranks


def run_divided(
    x: Tensor,
    chosen: Tensor,
    gates: Tensor | None,
    num_experts: int,
    ranks: Ranks,
    run: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """Send each frame through its experts, wherever they are; every rank calls this at once.

    Padding does not travel. The host waits for the device once, to learn how many rows travel.

    Args:
        x: Frames (M, D); M differs between ranks.
        chosen: Experts of each frame (M, K), int64, 0 to E - 1; -1 for padding.
        gates: Factors (M, K), or None for 1.
        num_experts: E.
        ranks: The ranks, of which each has E/N experts.
        run: Sends rows (R, D) through this rank's experts, given the expert of each (R, 1), from 0
            to E/N - 1; R may be 0.

    Returns:
        (M, D), 0 in padding.
    """
    keys = chosen.reshape(-1)
    counts = torch.bincount(keys + 1, minlength=num_experts + 1)[1:]
    arriving = torch.empty_like(counts)
    dist.all_to_all_single(arriving, counts, group=ranks.group)
    per_rank = torch.stack([counts, arriving]).view(2, ranks.size, -1).sum(dim=2)
    sent, received = per_rank.tolist()
    # Padding comes first in this order.
    order = keys.argsort(stable=True)[keys.numel() - sum(sent) :]
    frames = order // chosen.size(1)
    rows = _exchange(x.index_select(0, frames), sent, received, ranks)
    mine = torch.arange(counts.numel() // ranks.size, device=x.device).repeat(ranks.size)
    mine = mine.repeat_interleave(arriving, output_size=sum(received))
    rows = _exchange(run(rows, mine.unsqueeze(1)), received, sent, ranks)
    if gates is not None:
        rows = rows * gates.reshape(-1).index_select(0, order).unsqueeze(1).to(rows.dtype)
    return torch.zeros_like(x).index_add(0, frames, rows)


def _exchange(rows: Tensor, sent: list[int], received: list[int], ranks: Ranks) -> Tensor:
    """Rows sorted by the rank that they go to, as rows sorted by the rank that they came from."""
    group = ranks.group
    found = _collectives.all_to_all_single_autograd(rows.contiguous(), received, sent, group)
    return cast(Tensor, _collectives.wait_tensor(found))


def exchanged_bytes(rows: Sequence[Sequence[int]], width: int, value_bytes: int) -> list[int]:
    """Bytes that each rank sends to others for one layer and training step, forward and backward.

    With R_qr the rows (frame and choice) of rank q whose expert is on rank r, D the model width and
    b the bytes of a value, rank q sends

        (sum over r != q of R_qr + R_rq) * 2 * D * b  +  (N - 1) * (E / N) * 8

    Its own rows go out and their gradients too (R_qr, both passes); results of the others' rows go
    back, and so do gradients of their inputs (R_rq). The last term are the numbers of rows. A layer
    in evaluation sends half of the first term.

    Args:
        rows: R, N lists of N numbers.
        width: D.
        value_bytes: b.

    Returns:
        The first term for each rank, see `count_bytes` for the last.
    """
    totals = [sum(row) for row in rows]
    arrived = [sum(column) for column in zip(*rows, strict=True)]
    return [
        (totals[q] + arrived[q] - 2 * rows[q][q]) * 2 * width * value_bytes
        for q in range(len(rows))
    ]


def count_bytes(num_experts: int, num_ranks: int) -> int:
    """Bytes that a rank sends to say how many rows come: (N - 1) * (E / N) * 8, forward alone."""
    return (num_ranks - 1) * (num_experts // num_ranks) * COUNT_BYTES


class _SumOverRanks(torch.autograd.Function):
    """Sum over ranks. Every rank's loss depends on it, so that gradients are summed as well."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        total = values.clone()
        dist.all_reduce(total, group=ranks.group)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return cast(Tensor, _SumOverRanks.apply(grads[0].contiguous(), ctx.ranks)), None


def sum_over_ranks(values: Tensor, ranks: Ranks | None) -> Tensor:
    """Add up a tensor of one shape over ranks, differentiably: the sum of all ranks' losses is.

    Args:
        values: Any shape, the same on every rank; every rank calls this at once.
        ranks: The ranks; None for this process alone.
    """
    return values if ranks is None else cast(Tensor, _SumOverRanks.apply(values, ranks))


class _ShareGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, parts: int) -> Tensor:
        ctx.parts = parts
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0] / ctx.parts, None


def mean_gradient(weight: Tensor, ranks: Ranks) -> Tensor:
    """A weight whose gradient is divided by N.

    Gradients of all ranks' losses add up in the experts of one rank, where
    DistributedDataParallel has the mean over ranks. With this, experts have the mean as well.
    """
    return cast(Tensor, _ShareGradient.apply(weight, ranks.size))


class Divided(nn.Module):
    """Base of a module whose parameters are stacks over E experts, of which this rank has some.

    Saved states are whole: they have all E experts, under the same names as without ranks.
    Loading takes this rank's part of them. Saving needs the parts of all ranks; see
    `WholeCheckpoint`.

    Attributes:
        num_experts: E.
        ranks: The ranks; None where this process has all experts.
        whole: Parameters with all experts by name, while they are to be saved.
    """

    num_experts: int

    def __init__(self, ranks: Ranks | None) -> None:
        super().__init__()
        self.ranks = ranks
        self.whole: dict[str, Tensor] | None = None

    @property
    def num_local(self) -> int:
        """Experts of this rank."""
        return self.num_experts // (1 if self.ranks is None else self.ranks.size)

    def mine(self, whole: Tensor) -> Tensor:
        """This rank's part of a stack over all experts (E, ...)."""
        if self.ranks is None or whole.dim() == 0 or whole.size(0) != self.num_experts:
            return whole
        return whole[self.ranks.share(self.num_experts)]

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        if self.ranks is None:
            super()._save_to_state_dict(destination, prefix, keep_vars)
            return
        if self.whole is None:
            raise RuntimeError(
                f"{prefix}: experts are divided among {self.ranks.size} processes; gather them "
                "by WholeCheckpoint before they are saved"
            )
        destination |= {prefix + name: value for name, value in self.whole.items()}

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        # torch hands a copy of the caller's dictionary.
        for name, _ in self.named_parameters(recurse=False):
            if prefix + name in state_dict:
                state_dict[prefix + name] = self.mine(state_dict[prefix + name])
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def divided_modules(model: nn.Module) -> list[tuple[str, Divided]]:
    """Modules of a model whose experts are divided among ranks, by name."""
    return [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, Divided) and module.ranks is not None
    ]


def divided_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters of which this rank has a part, by name."""
    return {
        f"{prefix}.{name}" if prefix else name: parameter
        for prefix, module in divided_modules(model)
        for name, parameter in module.named_parameters(recurse=False)
    }


def leave_to_ranks(model: nn.Module) -> None:
    """Make DistributedDataParallel leave divided parameters alone, which differ between ranks.

    Args:
        model: The model that it is going to wrap.
    """
    wrapper: Any = nn.parallel.DistributedDataParallel
    wrapper._set_params_and_buffers_to_ignore_for_model(model, list(divided_parameters(model)))


@contextmanager
def whole_shapes(model: nn.Module) -> Iterator[None]:
    """In this context the state of a model has divided parameters in whole shapes, without values.

    For code that compares names and shapes; no other rank takes part.
    """
    modules = [module for _, module in divided_modules(model)]
    for module in modules:
        module.whole = {
            name: torch.empty((module.num_experts, *value.shape[1:]), device="meta")
            for name, value in module.named_parameters(recurse=False)
        }
    try:
        yield
    finally:
        for module in modules:
            module.whole = None
