import pytest
import torch

from speechmoe_espnet.moe import MoEFeedForward, mean_importance_loss, sparsity_l1_loss

D, H, E, DE = 16, 32, 4, 8
LENGTHS = torch.tensor([9, 5, 1])


def batch():
    torch.manual_seed(1)
    mask = torch.arange(9) < LENGTHS.unsqueeze(1)
    return torch.randn(3, 9, D), mask, torch.randn(3, 9, DE)


def layer(**kwargs):
    torch.manual_seed(0)
    return MoEFeedForward(D, H, E, **{"embedding_size": DE, **kwargs})


def reference(net, x, mask, embedding):
    """The layer's definition, a frame at a time."""
    out = torch.zeros_like(x)
    for b, t in mask.nonzero().tolist():
        evidence = x[b, t] if embedding is None else torch.cat([embedding[b, t], x[b, t]])
        probs = (net.router.weight @ evidence).softmax(0)
        chosen, indices = probs.topk(net.top_k)
        for expert in indices.tolist():
            e = net.experts
            hidden = (x[b, t] @ e.w1[expert] + e.b1[expert]).clamp(min=0)
            gate = probs[expert]
            gate = gate / chosen.sum().detach() if net.router_scale == "straight_through" else gate
            out[b, t] = out[b, t] + gate * (hidden @ e.w2[expert] + e.b2[expert])
    return out


@pytest.mark.parametrize("top_k", [1, 2, E])
@pytest.mark.parametrize("backend", ["loop", "grouped_mm", "fused"])
@pytest.mark.parametrize("router_scale", ["paper", "straight_through"])
@pytest.mark.parametrize("router", ["speechmoe", "switch"])
def test_output_and_gradients_follow_the_definition(top_k, backend, router_scale, router):
    net = layer(top_k=top_k, backend=backend, router_scale=router_scale, router=router)
    x, mask, embedding = batch()
    seen = embedding if router == "speechmoe" else None
    weight = torch.randn_like(x)
    gradients = []
    outputs = []
    for out in (net(x, mask, embedding)[0], reference(net, x, mask, seen)):
        net.zero_grad()
        (out * weight).sum().backward()
        outputs.append(out)
        gradients.append([p.grad.clone() for p in net.parameters()])
    torch.testing.assert_close(*outputs, atol=1e-5, rtol=1e-5)
    for fast, slow in zip(*gradients, strict=True):
        torch.testing.assert_close(fast, slow, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("num_experts", [1, E])
def test_an_utterance_gives_in_a_batch_what_it_gives_alone(num_experts):
    net = MoEFeedForward(D, H, num_experts, embedding_size=DE)
    x, mask, embedding = batch()
    out, routing = net(x, mask, embedding)
    for b, length in enumerate(LENGTHS.tolist()):
        alone, routed = net(
            x[b : b + 1, :length], mask[b : b + 1, :length], embedding[b : b + 1, :length]
        )
        torch.testing.assert_close(out[b, :length], alone[0], atol=1e-5, rtol=1e-5)
        assert torch.equal(routing.indices[b, :length], routed.indices[0])


@pytest.mark.parametrize("num_experts", [1, E])
@pytest.mark.parametrize("padding", [1e4, float("nan"), float("inf")])
def test_padding_never_reaches_an_expert_or_a_loss(padding, num_experts):
    net = MoEFeedForward(D, H, num_experts, embedding_size=DE)
    x, mask, embedding = batch()
    losses, grads = [], []
    for value in (0.0, padding):
        net.zero_grad()
        filled = x.masked_fill(~mask.unsqueeze(-1), value).requires_grad_()
        out, routing = net(filled, mask, embedding.masked_fill(~mask.unsqueeze(-1), value))
        assert not out[~mask].any()
        loss = sparsity_l1_loss(routing.probs, mask) + mean_importance_loss(routing.probs, mask)
        (out.square().sum() + loss).backward()
        losses.append(loss)
        grads.append([p.grad.clone() for p in net.parameters()])
    torch.testing.assert_close(*losses)
    for clean, dirty in zip(*grads, strict=True):
        torch.testing.assert_close(clean, dirty, atol=1e-5, rtol=1e-5)


def test_routing_marks_padding():
    net = layer(top_k=2)
    x, mask, embedding = batch()
    _, routing = net(x, mask, embedding)
    assert routing.probs.dtype == torch.float32
    assert not routing.probs[~mask].any()
    assert (routing.indices[~mask] == -1).all()
    torch.testing.assert_close(routing.probs[mask].sum(-1), torch.ones(int(mask.sum())))
    assert (routing.indices[mask] == routing.probs[mask].topk(2).indices).all()


def test_dense_baseline_is_a_plain_feed_forward():
    net = MoEFeedForward(D, H, 1, embedding_size=DE)
    x, mask, _ = batch()
    out, routing = net(x, mask)
    e = net.experts
    expected = (x @ e.w1[0] + e.b1[0]).relu() @ e.w2[0] + e.b2[0]
    torch.testing.assert_close(out[mask], expected[mask])
    assert net.router is None
    assert (routing.indices[mask] == 0).all()
    assert (routing.probs[mask] == 1).all()


def test_router_softmax_stays_float32_under_autocast():
    net = layer()
    x, mask, embedding = batch()
    with torch.autocast("cpu", torch.bfloat16):
        out, routing = net(x, mask, embedding)
    assert routing.probs.dtype == torch.float32
    torch.testing.assert_close(out.float(), net(x, mask, embedding)[0], atol=0.05, rtol=0.05)


@pytest.mark.parametrize("top_k", [1, 2, E])
def test_straight_through_keeps_the_function_of_copied_experts(top_k):
    static = MoEFeedForward(D, H, 1)
    moe = layer(router_scale="straight_through", top_k=top_k)
    with torch.no_grad():
        for wanted, value in zip(
            moe.experts.parameters(), static.experts.parameters(), strict=True
        ):
            wanted.copy_(value.expand_as(wanted))
    x, mask, embedding = batch()
    torch.testing.assert_close(moe(x, mask, embedding)[0], static(x, mask)[0])


def test_experts_without_frames_get_zero_gradients():
    net = layer()
    x, _, embedding = batch()
    mask = torch.zeros(3, 9, dtype=torch.bool)
    mask[0, 0] = True
    net(x, mask, embedding)[0].sum().backward()
    used = net.experts.w1.grad.abs().sum(dim=(1, 2)) > 0
    assert used.sum() == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_experts": 0}, "num_experts: 0"),
        ({"top_k": 5}, "top_k: 5 is not between 1 and num_experts"),
        ({"router": "hash"}, "router: 'hash'"),
        ({"router_scale": "none"}, "router_scale: 'none'"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        MoEFeedForward(**{"input_size": D, "hidden_size": H, "num_experts": E, **arguments})


def test_wrong_inputs_are_named():
    net = layer()
    x, mask, embedding = batch()
    with pytest.raises(ValueError, match="embedding: expected"):
        net(x, mask)
    with pytest.raises(ValueError, match="mask: expected bool"):
        net(x, mask.float(), embedding)
    with pytest.raises(ValueError, match="x: expected"):
        net(x[..., :-1], mask, embedding)
    with pytest.raises(TypeError):
        net(x)
