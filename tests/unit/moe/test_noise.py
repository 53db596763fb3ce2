"""Noise on routers: what it does to logits, and that everything follows the noisy ones."""

import pytest
import torch

from speechmoe_espnet.moe import MoEFeedForward, Router

D, H, E, DE = 16, 32, 4, 8
LENGTHS = torch.tensor([9, 5, 1])
NOISES = pytest.mark.parametrize(("kind", "noise"), [("gaussian", 1.5), ("jitter", 0.9)])


def batch():
    torch.manual_seed(1)
    mask = torch.arange(9) < LENGTHS.unsqueeze(1)
    return torch.randn(3, 9, D), mask, torch.randn(3, 9, DE)


def layer(kind="gaussian", noise=0.0, **kwargs):
    torch.manual_seed(0)
    options = {"embedding_size": DE, "router_noise": noise, "router_noise_type": kind, **kwargs}
    return MoEFeedForward(D, H, E, **options)


def test_gaussian_noise_has_its_width_on_every_logit():
    router = Router(D, E, noise=0.7)
    logits = router(torch.ones(2, 20000, D), None).logits.flatten(0, 1)
    expected = (router.weight @ torch.ones(D)).detach()
    torch.testing.assert_close(logits.mean(0), expected, atol=0.02, rtol=0)
    torch.testing.assert_close(logits.std(0), torch.full((E,), 0.7), atol=0.02, rtol=0)
    correlation = torch.corrcoef(logits.detach().t()) - torch.eye(E)
    assert correlation.abs().max() < 0.03


def test_jitter_has_its_range_on_every_input():
    router = Router(D, D, noise=0.2, noise_type="jitter")
    with torch.no_grad():
        router.weight.copy_(torch.eye(D))
    logits = router(torch.full((1, 5000, D), 10.0), None).logits.detach()
    assert logits.min() >= 8.0
    assert logits.max() <= 12.0
    torch.testing.assert_close(logits.std(), torch.tensor(4 / 12**0.5), atol=0.03, rtol=0)


@NOISES
@pytest.mark.parametrize("backend", ["loop", "grouped_mm", "fused"])
@pytest.mark.parametrize("router_scale", ["paper", "straight_through"])
def test_choice_probabilities_and_gradients_are_those_of_noisy_logits(
    kind, noise, backend, router_scale
):
    net = layer(kind, noise, backend=backend, router_scale=router_scale)
    x, mask, embedding = batch()
    out, routing = net(x, mask, embedding)
    torch.testing.assert_close(
        routing.probs[mask], routing.logits[mask].softmax(-1), atol=1e-6, rtol=1e-5
    )
    assert torch.equal(routing.indices[mask][:, 0], routing.logits[mask].argmax(-1))
    assert not routing.probs[~mask].any()
    assert not routing.logits[~mask].any()
    # The same decisions, given to a layer without noise, must give the same values.
    calm = layer(backend="loop", router_scale=router_scale)
    clean = calm(x, mask, embedding)[1]
    assert not torch.equal(clean.indices, routing.indices), "too little noise to prove anything"
    gates = routing.probs.detach().gather(-1, routing.indices.clamp(min=0))
    if router_scale == "straight_through":
        gates = torch.ones_like(gates)
    expected = calm.experts(
        x.flatten(0, 1), routing.indices.flatten(0, 1), gates.flatten(0, 1)
    ).view_as(x)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
    out.square().sum().backward()
    assert net.router.weight.grad.any()
    expected.square().sum().backward()
    for one, other in zip(net.experts.parameters(), calm.experts.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-4, rtol=1e-4)


@NOISES
def test_gradients_of_noisy_routers_are_the_slow_ones(kind, noise):
    arguments = batch()
    found = []
    for backend in ("loop", "fused", "grouped_mm"):
        net = layer(kind, noise, backend=backend)
        torch.manual_seed(4)
        out, routing = net(*arguments)
        (out.square().sum() + routing.probs[..., 0].sum()).backward()
        found.append([out, *(p.grad for p in net.parameters())])
    for fast in found[1:]:
        for one, other in zip(fast, found[0], strict=True):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@NOISES
def test_evaluation_has_no_noise(kind, noise):
    arguments = batch()
    noisy, calm = layer(kind, noise).eval(), layer().eval()
    for one, other in zip(noisy(*arguments)[1], calm(*arguments)[1], strict=True):
        assert torch.equal(one, other)


@NOISES
def test_a_noisy_layer_compiles_without_a_graph_break(kind, noise):
    compiled = torch.compile(layer(kind, noise), backend="aot_eager", fullgraph=True)
    out, routing = compiled(*batch())
    out.sum().backward()
    assert not torch.equal(routing.logits, layer()(*batch())[1].logits)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"noise": -0.1}, "router_noise: -0.1 is not at least 0"),
        ({"noise": 1.0, "kind": "jitter"}, r"router_noise: 1.0 is not in \[0, 1\) \(jitter\)"),
        ({"kind": "uniform"}, "router_noise_type: 'uniform' is not one of"),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        layer(**arguments)
