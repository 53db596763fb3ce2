import pytest
import torch

from speechmoe_espnet.moe import Experts

SHARES = {
    "even": [5, 5, 5, 5],
    "empty experts": [0, 12, 0, 8],
    "single frames": [1, 1, 1, 1],
    "one takes all": [0, 0, 20, 0],
    "no rows": [0, 0, 0, 0],
}


def twins(activation="relu"):
    torch.manual_seed(0)
    loop = Experts(16, 24, 4, activation, backend="loop")
    fast = Experts(16, 24, 4, activation, backend="grouped_mm")
    fast.load_state_dict(loop.state_dict())
    return loop, fast


@pytest.mark.parametrize("activation", ["relu", "swish", "gelu"])
@pytest.mark.parametrize("counts", SHARES.values(), ids=SHARES.keys())
def test_grouped_mm_matches_the_loop_in_outputs_and_gradients(counts, activation):
    loop, fast = twins(activation)
    x = torch.randn(sum(counts), 16)
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    outputs = [
        experts(rows, torch.tensor(counts))
        for experts, rows in zip((loop, fast), inputs, strict=True)
    ]
    weight = torch.randn_like(outputs[0])
    for out in outputs:
        (out * weight).sum().backward()
    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, atol=1e-5, rtol=1e-5)
    for (name, slow), quick in zip(loop.named_parameters(), fast.parameters(), strict=True):
        torch.testing.assert_close(slow.grad, quick.grad, atol=1e-5, rtol=1e-5, msg=name)


def test_loop_applies_each_expert_to_its_rows():
    loop, _ = twins()
    x = torch.randn(3, 16)
    out = loop(x, torch.tensor([0, 2, 0, 1]))
    for row, expert in ((0, 1), (1, 1), (2, 3)):
        hidden = (x[row] @ loop.w1[expert] + loop.b1[expert]).clamp(min=0)
        torch.testing.assert_close(out[row], hidden @ loop.w2[expert] + loop.b2[expert])


def test_bfloat16_autocast_reaches_grouped_mm():
    _, fast = twins()
    x = torch.randn(20, 16)
    counts = torch.tensor(SHARES["empty experts"])
    with torch.autocast("cpu", torch.bfloat16):
        out = fast(x, counts)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), fast(x, counts), atol=0.05, rtol=0.05)
    out.float().sum().backward()
    assert fast.w1.grad is not None
    assert fast.w1.grad.dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activation": "tanh"}, "activation: 'tanh'"),
        ({"backend": "cutlass"}, "backend: 'cutlass'"),
        ({"backend": "grouped_mm", "hidden_size": 20}, "hidden_size 20 is not a multiple of 8"),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Experts(**{"input_size": 16, "hidden_size": 24, "num_experts": 4, **arguments})


def test_auto_falls_back_to_the_loop_for_odd_widths():
    experts = Experts(10, 20, 2)
    assert experts(torch.randn(4, 10), torch.tensor([1, 3])).shape == (4, 10)
