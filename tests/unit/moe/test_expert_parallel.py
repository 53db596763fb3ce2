"""Experts divided among processes compute what one process computes."""

import io
from typing import Any, NamedTuple

import pytest
import torch
import torch.distributed as dist
from rank_processes import RankError
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from speechmoe_espnet.moe import Experts, MoEFeedForward
from speechmoe_espnet.moe.expert_parallel import (
    all_ranks,
    count_bytes,
    divided_parameters,
    exchanged_bytes,
    leave_to_ranks,
)
from speechmoe_espnet.moe.whole_checkpoint import WholeCheckpoint

E, D, H = 8, 16, 24
SIZES = (2, 4)
CLOSE: Any = {"atol": 1e-5, "rtol": 1e-5}


class Case(NamedTuple):
    """Options of a layer, lengths of a batch's utterances, whether the backward pass recomputes."""

    options: dict[str, Any]
    lengths: tuple[int, ...] = (9, 4, 7, 1, 12, 3, 5)
    recompute: bool = False


CASES = {
    "top 1": Case({}),
    "top 3": Case({"top_k": 3}),
    "straight through": Case({"router_scale": "straight_through", "top_k": 2}),
    "loop": Case({"backend": "loop"}),
    "grouped_mm": Case({"backend": "grouped_mm", "top_k": 2}),
    "swish": Case({"activation": "swish"}),
    "an expert a frame": Case({}, (1, 1, 1, 1)),
    "all experts": Case({"routing_warmup_steps": 100, "routing_warmup": "soft"}),
    "recomputed": Case({"top_k": 2}, recompute=True),
}


def layer_of(case: Case) -> MoEFeedForward:
    torch.manual_seed(3)
    return MoEFeedForward(D, H, E, router="switch", expert_parallel=True, **case.options)


def batch(case: Case, step: int, rank: int, size: int) -> tuple[Tensor, Tensor, Tensor, list[int]]:
    """A rank's utterances, their padding mask and what the output is multiplied by."""
    generator = torch.Generator().manual_seed(step)
    longest = max(case.lengths)
    x, target = (torch.randn(len(case.lengths), longest, D, generator=generator) for _ in range(2))
    # Frames of an utterance are alike, so that routing is uneven.
    x = x * 0.3 + 2 * x.mean(dim=(1, 2), keepdim=True).sign() * torch.arange(D).sin()
    mask = torch.arange(longest) < torch.tensor(case.lengths).unsqueeze(1)
    mine = list(range(rank, len(case.lengths), size))
    width = max(case.lengths[utterance] for utterance in mine)
    return x[mine, :width], mask[mine, :width], target[mine, :width], mine


def run_steps(case: Case, steps: int, state: bytes | None = None, first: int = 0) -> dict[str, Any]:
    """Train; what came out and what the ranks of the experts hold."""
    world = all_ranks()
    rank, size = (0, 1) if world is None else (world.rank, world.size)
    layer = layer_of(case)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.01)
    whole = WholeCheckpoint(layer, [optimizer])
    if state is not None:
        saved = torch.load(io.BytesIO(state))
        layer.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
    model: torch.nn.Module = layer
    if world is not None:
        leave_to_ranks(layer)
        model = DistributedDataParallel(layer)
    outs, grads = {}, []
    for step in range(first, first + steps):
        x, mask, target, mine = batch(case, step, rank, size)
        x.requires_grad_()
        if case.recompute:
            out, _ = checkpoint(model, x, mask, use_reentrant=False)
        else:
            out, _ = model(x, mask)
        optimizer.zero_grad()
        # The mean of ranks is the sum of all utterances.
        (size * (out * target).sum()).backward()
        assert x.grad is not None
        outs |= {(step, u): (out[i].detach(), x.grad[i] / size) for i, u in enumerate(mine)}
        grads.append({name: p.grad.clone() for name, p in layer.named_parameters()})
        optimizer.step()
    held = bytes_of_experts(layer, optimizer)
    whole.gather()
    file = io.BytesIO()
    if not rank:
        torch.save({"model": layer.state_dict(), "optimizer": optimizer.state_dict()}, file)
    whole.release()
    return {"outs": outs, "grads": grads, "state": file.getvalue(), "bytes": held}


def bytes_of_experts(layer: MoEFeedForward, optimizer: torch.optim.Optimizer) -> dict[str, int]:
    """Bytes that a rank holds for the experts of a layer, by kind."""
    weights = list(layer.experts.parameters())
    states = [optimizer.state[weight] for weight in weights]
    kinds = {
        "parameters": weights,
        "gradients": [weight.grad for weight in weights],
        "moments": [state[name] for state in states for name in ("exp_avg", "exp_avg_sq")],
    }
    return {kind: sum(tensor.nbytes for tensor in kinds[kind]) for kind in kinds}


def compare_states(got: bytes, wanted: bytes) -> None:
    mine, theirs = (torch.load(io.BytesIO(state)) for state in (got, wanted))
    assert mine["optimizer"]["param_groups"] == theirs["optimizer"]["param_groups"]
    torch.testing.assert_close(mine, theirs, **CLOSE)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CASES)
def test_ranks_compute_what_one_process_does(name, size, ranks):
    case = CASES[name]
    alone = run_steps(case, 10)
    together = ranks.run(size, run_steps, case, 10)
    found = {number: values for each in together for number, values in each["outs"].items()}
    assert found.keys() == alone["outs"].keys()
    for place, (out, grad) in found.items():
        wanted, wanted_grad = alone["outs"][place]
        torch.testing.assert_close(out, wanted[: len(out)], **CLOSE)
        torch.testing.assert_close(grad, wanted_grad[: len(grad)], **CLOSE)
    for step, grads in enumerate(alone["grads"]):
        for name_, wanted in grads.items():
            parts = [each["grads"][step][name_] for each in together]
            if name_.startswith("experts."):
                parts = [torch.cat(parts)]
            for part in parts:
                torch.testing.assert_close(part, wanted, **CLOSE)
    compare_states(together[0]["state"], alone["state"])
    share = {kind: count // size for kind, count in alone["bytes"].items()}
    assert [each["bytes"] for each in together] == [share] * size


def test_a_training_goes_on_at_any_number_of_ranks(ranks):
    case = CASES["top 3"]
    wanted = run_steps(case, 9)["state"]
    state, first = None, 0
    for size in (4, 1, 2):
        state = ranks.run(size, run_steps, case, 3, state, first)[0]["state"]
        first += 3
    compare_states(state, wanted)


def save_without_gathering() -> str:
    layer = layer_of(Case({}))
    optimizer = torch.optim.AdamW(layer.parameters())
    WholeCheckpoint(layer, [optimizer])
    messages = []
    for save in (layer.state_dict, optimizer.state_dict):
        with pytest.raises(RuntimeError) as error:
            save()
        messages.append(str(error.value))
    return "\n".join(messages)


def test_a_part_of_the_experts_is_never_saved(ranks):
    assert all(
        answer.count("are divided among") == 2 for answer in ranks.run(2, save_without_gathering)
    )


def test_experts_that_cannot_be_divided_are_named(ranks):
    with pytest.raises(RankError, match="num_experts 6 among 4 processes; take 1, 2, 3, 6 proc"):
        ranks.run(4, Experts, D, H, 6, "relu", 0.0, "auto", True)


class Counter(TorchDispatchMode):
    """Bytes that a rank sends to others, counted at torch's own calls."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = self.counts = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        name, rank = func.name(), dist.get_rank()
        if name == "_c10d_functional::all_to_all_single":
            sent = [size for other, size in enumerate(args[2]) if other != rank]
            self.rows += sum(sent) * args[0][0:1].nbytes if args[0].size(0) else 0
        elif name == "c10d::alltoall_base_":
            self.counts += args[1].nbytes - args[1].nbytes // dist.get_world_size()
        return func(*args, **(kwargs or {}))


def count_exchange(case: Case) -> dict[str, Any]:
    world = all_ranks()
    assert world is not None
    layer = layer_of(case)
    x, mask, _, _ = batch(case, 0, world.rank, world.size)
    with Counter() as counter:
        out, routing = layer(x.requires_grad_(), mask)
        out.sum().backward()
    chosen = routing.indices[mask].flatten() // (E // world.size)
    rows = torch.bincount(chosen, minlength=world.size).tolist()
    return {"rows": rows, "counted": counter.rows, "counts": counter.counts}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["top 1", "top 3", "an expert a frame"])
def test_what_travels_is_what_the_formula_says(name, size, ranks):
    found = ranks.run(size, count_exchange, CASES[name])
    wanted = exchanged_bytes([each["rows"] for each in found], D, 4)
    assert [each["counted"] for each in found] == wanted
    assert any(wanted)
    assert [each["counts"] for each in found] == [count_bytes(E, size)] * size


def gradients_with_sharded_rest() -> dict[str, Tensor]:
    """Gradients where FSDP2 shards the router, and a projection before it, over the same ranks."""
    case, world = CASES["top 3"], all_ranks()
    rank, size = (0, 1) if world is None else (world.rank, world.size)
    layer = layer_of(case)
    model = torch.nn.ModuleDict({"projection": torch.nn.Linear(D, D), "layer": layer})
    if world is not None:
        mesh = init_device_mesh("cpu", (size,), mesh_dim_names=("ranks",))
        experts = set(divided_parameters(model).values())
        assert layer.router is not None
        fully_shard(model["projection"], mesh=mesh)
        fully_shard(layer, mesh=mesh, ignored_params=experts)
    x, mask, target, _ = batch(case, 0, rank, size)
    out, _ = model["layer"](model["projection"](x), mask)
    (size * (out * target).sum()).backward()
    return {
        name: p.grad.full_tensor() if isinstance(p.grad, DTensor) else p.grad
        for name, p in model.named_parameters()
        if p.grad is not None
    }


def test_the_rest_may_be_sharded_by_fsdp2(ranks):
    alone = gradients_with_sharded_rest()
    together = ranks.run(2, gradients_with_sharded_rest)
    for name, wanted in alone.items():
        parts = [each[name] for each in together]
        for part in [torch.cat(parts)] if ".experts." in name else parts:
            torch.testing.assert_close(part, wanted, **CLOSE)
