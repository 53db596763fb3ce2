"""Every fast backend against the loop, gradients included."""

import pytest
import torch

from speechmoe_espnet.moe import Experts
from speechmoe_espnet.moe.fused import Weights

D, H, E = 16, 24, 4
FAST = ("fused", "grouped_mm")
CHOSEN = {
    "even": [0, 1, 2, 3] * 3,
    "empty experts": [1, 3, 3, 1, 1, 3],
    "one frame": [2],
    "one takes all": [2] * 7,
    "padding": [-1, 0, -1, 3, 0, -1],
    "only padding": [-1, -1],
    "no frames": [],
}


def twins(fast, activation="relu", **kwargs):
    torch.manual_seed(0)
    loop = Experts(D, H, E, activation, backend="loop", **kwargs)
    quick = Experts(D, H, E, activation, backend=fast, **kwargs)
    quick.load_state_dict(loop.state_dict())
    return loop, quick


def inputs(chosen, top_k=1, seed=1):
    torch.manual_seed(seed)
    first = torch.tensor(chosen, dtype=torch.int64).view(-1, 1)
    shifts = torch.arange(top_k)
    indices = torch.where(first < 0, -1, (first + shifts) % E)
    x = torch.randn(len(chosen), D)
    x[first.squeeze(1) < 0] = 0.0
    return x, indices, torch.rand(len(chosen), top_k) + 0.25


def run(experts, x, chosen, gates, weight):
    x, gates = x.clone().requires_grad_(), None if gates is None else gates.clone().requires_grad_()
    experts.zero_grad()
    out = experts(x, chosen, gates)
    (out * weight).sum().backward()
    grads = [x.grad, *(p.grad.clone() for p in experts.parameters())]
    if gates is not None:
        grads.append(gates.grad)
    return out.detach(), grads


@pytest.mark.parametrize("top_k", [1, 2, E])
@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("activation", ["relu", "swish", "gelu"])
@pytest.mark.parametrize("fast", FAST)
@pytest.mark.parametrize("chosen", CHOSEN.values(), ids=CHOSEN.keys())
def test_outputs_and_gradients_are_the_loops(chosen, fast, activation, gated, top_k):
    loop, quick = twins(fast, activation)
    x, indices, gates = inputs(chosen, top_k)
    weight = torch.randn(x.shape)
    found = [run(e, x, indices, gates if gated else None, weight) for e in (loop, quick)]
    torch.testing.assert_close(found[0][0], found[1][0], atol=1e-5, rtol=1e-5)
    for slow, fast_grad in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(slow, fast_grad, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("fast", FAST)
def test_without_gradients_outputs_are_the_same(fast):
    _, quick = twins(fast)
    x, indices, gates = inputs(CHOSEN["padding"])
    with torch.inference_mode():
        inferred = quick(x, indices, gates)
    assert torch.equal(inferred, quick(x, indices, gates))


@pytest.mark.parametrize("fast", FAST)
@pytest.mark.parametrize("activation", ["relu", "swish"])
def test_dropout_zeroes_its_share_and_its_gradient_follows(fast, activation):
    torch.manual_seed(0)
    experts = Experts(8, 4096, 2, activation, dropout_rate=0.25, backend=fast)
    with torch.no_grad():
        experts.w2.fill_(0.0)
        experts.w2[:, :, 0] = 1.0
        experts.b1.fill_(1.0)
    x = torch.zeros(3, 8, requires_grad=True)
    chosen = torch.tensor([[0], [1], [1]])
    out = experts(x, chosen)
    value = 1.0 if activation == "relu" else torch.nn.functional.silu(torch.tensor(1.0)).item()
    kept = (out[:, 0] - experts.b2[[0, 1, 1], 0]) / value * 0.75
    torch.testing.assert_close(kept / 4096, torch.full((3,), 0.75), atol=0.03, rtol=0)
    out[:, 0].sum().backward()
    # d out / d hidden is 1 / 0.75 where kept and 0 elsewhere, so b1 counts what was kept.
    slope = 1.0 if activation == "relu" else 0.9276705
    grads = torch.stack([experts.b1.grad[0].sum(), experts.b1.grad[1].sum()]) * 0.75 / slope
    expected = torch.stack([kept[0], kept[1] + kept[2]])
    torch.testing.assert_close(grads, expected, atol=0.5, rtol=1e-4)
    experts.eval()
    expected = experts.b2[[0, 1, 1], 0] + 4096 * value
    torch.testing.assert_close(experts(x, chosen)[:, 0], expected, atol=0.0, rtol=1e-4)


@pytest.mark.parametrize("fast", FAST)
def test_bfloat16_autocast(fast):
    _, quick = twins(fast)
    x, indices, gates = inputs(CHOSEN["even"])
    with torch.autocast("cpu", torch.bfloat16):
        out = quick(x, indices, gates)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), quick(x, indices, gates), atol=0.05, rtol=0.05)
    out.float().sum().backward()
    assert quick.w1.grad.dtype == torch.float32


@pytest.mark.parametrize("fast", FAST)
def test_frozen_parts_get_no_gradient(fast):
    _, quick = twins(fast)
    quick.w1.requires_grad_(False)
    x, indices, gates = inputs(CHOSEN["even"])
    quick(x, indices, gates).sum().backward()
    assert quick.w1.grad is None
    assert quick.w2.grad is not None


@pytest.mark.parametrize("fast", FAST)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiles_without_a_graph_break(fast, training, dtype):
    _, quick = twins(fast)
    x, indices, gates = inputs(CHOSEN["padding"], top_k=2)
    weight = torch.randn(x.shape)
    compiled = torch.compile(quick, backend="aot_eager", fullgraph=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        if training:
            out, grads = run(compiled, x, indices, gates, weight)
            plain, plain_grads = run(quick, x, indices, gates, weight)
            for one, other in zip(grads, plain_grads, strict=True):
                torch.testing.assert_close(one, other)
        else:
            with torch.no_grad():
                out, plain = compiled(x, indices, gates), quick(x, indices, gates)
    torch.testing.assert_close(out, plain)


def test_operators_keep_torchs_contract():
    experts = Experts(D, H, E, "swish", dropout_rate=0.1)
    # Without padding: what is kept of its rows is never written.
    x, indices, gates = inputs(CHOSEN["empty experts"], top_k=2)
    weights = Weights(*(p.detach().clone().requires_grad_() for p in experts.parameters()))
    arguments = (x.requires_grad_(), indices, gates.requires_grad_(), *weights)
    op = torch.ops.speechmoe
    detached = [a.detach() for a in arguments]
    torch.library.opcheck(op.experts_inference, (*detached, "swish", 0.0))
    torch.library.opcheck(op.experts, (*arguments, "swish", 0.0))
    torch.library.opcheck(op.experts, (*arguments, "relu", 0.0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activation": "tanh"}, "activation: 'tanh'"),
        ({"backend": "cutlass"}, "backend: 'cutlass'"),
        ({"dropout_rate": 1.0}, "dropout_rate: 1.0"),
        ({"backend": "grouped_mm", "hidden_size": 20}, "hidden_size 20 is not a multiple of 8"),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Experts(**{"input_size": 16, "hidden_size": 24, "num_experts": 4, **arguments})


def test_auto_runs_odd_widths():
    experts = Experts(10, 20, 2)
    assert experts(torch.randn(4, 10), torch.tensor([[1], [0], [1], [1]])).shape == (4, 10)
