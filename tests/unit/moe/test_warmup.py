"""Routing at first: against its definition, on every backend."""

import pytest
import torch

from speechmoe_espnet.moe import MoEFeedForward

D, H, E, DE = 16, 32, 4, 8
LENGTHS = torch.tensor([9, 5, 1])
NUM_CHOSEN = {"top_2": 2, "soft": E}


def batch():
    torch.manual_seed(1)
    mask = torch.arange(9) < LENGTHS.unsqueeze(1)
    return torch.randn(3, 9, D), mask, torch.randn(3, 9, DE)


def layer(**kwargs):
    torch.manual_seed(0)
    options = {"embedding_size": DE, "routing_warmup_steps": 10, **kwargs}
    return MoEFeedForward(D, H, E, **options)


def reference(net, x, mask, embedding):
    """The definition, a frame and an expert at a time."""
    out = torch.zeros_like(x)
    e = net.experts
    for b, t in mask.nonzero().tolist():
        probs = (net.router.weight @ torch.cat([embedding[b, t], x[b, t]])).softmax(0)
        chosen = probs.argsort(descending=True)[: NUM_CHOSEN[net.routing_warmup]].tolist()
        share = sum(probs[expert].item() for expert in chosen)
        for expert in chosen:
            hidden = (x[b, t] @ e.w1[expert] + e.b1[expert]).clamp(min=0)
            gate = probs[expert] / (share if net.router_scale == "straight_through" else 1.0)
            out[b, t] = out[b, t] + gate * (hidden @ e.w2[expert] + e.b2[expert])
    return out


@pytest.mark.parametrize("routing_warmup", ["top_2", "soft"])
@pytest.mark.parametrize("backend", ["loop", "grouped_mm", "fused"])
@pytest.mark.parametrize("router_scale", ["paper", "straight_through"])
def test_output_and_gradients_follow_the_definition(routing_warmup, backend, router_scale):
    net = layer(routing_warmup=routing_warmup, backend=backend, router_scale=router_scale)
    x, mask, embedding = batch()
    weight = torch.randn_like(x)
    outputs, gradients = [], []
    for compute in (net, lambda *arguments: (reference(net, *arguments), None)):
        net.zero_grad()
        seen = x.clone().requires_grad_()
        out, _ = compute(seen, mask, embedding)
        (out * weight).sum().backward()
        outputs.append(out)
        gradients.append([seen.grad, *(p.grad.clone() for p in net.parameters())])
    torch.testing.assert_close(*outputs, atol=1e-5, rtol=1e-5)
    for fast, slow in zip(*gradients, strict=True):
        torch.testing.assert_close(fast, slow, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("routing_warmup", ["top_2", "soft"])
@pytest.mark.parametrize("router_scale", ["paper", "straight_through"])
def test_it_ends_with_the_last_step_and_never_reaches_evaluation(routing_warmup, router_scale):
    net = layer(routing_warmup=routing_warmup, router_scale=router_scale)
    plain = layer(routing_warmup_steps=0, router_scale=router_scale)
    arguments = batch()
    expected, routing = plain(*arguments)
    for step, training, same in ((0, True, False), (9, True, False), (9, False, True)):
        net.train(training).set_step(step)
        out, found = net(*arguments)
        assert torch.equal(out, expected) == same
        assert torch.equal(found.indices, routing.indices)
        torch.testing.assert_close(found.probs, routing.probs)
    net.train().set_step(10)
    assert torch.equal(net(*arguments)[0], expected)


@pytest.mark.parametrize("routing_warmup", ["top_2", "soft"])
def test_copied_experts_keep_their_function_with_straight_through(routing_warmup):
    static = MoEFeedForward(D, H, 1)
    moe = layer(router_scale="straight_through", routing_warmup=routing_warmup)
    with torch.no_grad():
        for wanted, value in zip(
            moe.experts.parameters(), static.experts.parameters(), strict=True
        ):
            wanted.copy_(value.expand_as(wanted))
    x, mask, embedding = batch()
    torch.testing.assert_close(moe(x, mask, embedding)[0], static(x, mask)[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("backend", ["grouped_mm", "fused"])
def test_a_compiled_layer_goes_from_warm_up_to_top_1_without_a_graph_break(backend):
    torch._dynamo.reset()  # compilations of other tests count towards its limit
    net = layer(backend=backend)
    compiled = torch.compile(net, backend="aot_eager", fullgraph=True)
    for step in (0, 9, 10):
        net.set_step(step)
        torch.testing.assert_close(compiled(*batch())[0], net(*batch())[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"routing_warmup": "top_3"}, r"routing_warmup: 'top_3' is not one of \['top_2', 'soft'\]"),
        ({"routing_warmup_steps": -1}, "routing_warmup_steps: -1 is less than 0"),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        layer(**arguments)
