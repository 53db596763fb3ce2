"""What can only be tried on a GPU: the grouped path in bfloat16, without waiting for the device."""

import pytest
import torch

from benchmarks.gpu import sync_rows
from speechmoe_espnet.moe import MoEFeedForward

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
D, H, E = 64, 128, 8


def layers(**kwargs):
    torch.manual_seed(0)
    fast = MoEFeedForward(D, H, E, embedding_size=D, **kwargs).cuda()
    slow = MoEFeedForward(D, H, E, embedding_size=D, backend="loop", **kwargs).cuda()
    slow.load_state_dict(fast.state_dict())
    return fast, slow


def inputs():
    torch.manual_seed(1)
    mask = torch.arange(40) < torch.tensor([40, 17, 1]).unsqueeze(1)
    return torch.randn(3, 40, D).cuda(), mask.cuda(), torch.randn(3, 40, D).cuda()


def trained(layer):
    layer.zero_grad()
    with torch.autocast("cuda", torch.bfloat16):
        out, routing = layer(*inputs())
    (out.float().square().sum() + routing.probs.square().sum()).backward()
    return out.float(), routing.indices, [p.grad for p in layer.parameters()]


@pytest.mark.parametrize("top_k", [1, 2])
def test_grouped_experts_in_bfloat16_are_the_loops(top_k):
    fast, slow = layers(top_k=top_k)
    out, indices, grads = trained(fast)
    expected, expected_indices, expected_grads = trained(slow)
    assert torch.equal(indices, expected_indices)
    torch.testing.assert_close(out, expected, atol=0.02, rtol=0.05)
    for one, other in zip(grads, expected_grads, strict=True):
        torch.testing.assert_close(one, other, atol=0.1, rtol=0.1)


def test_forward_and_backward_never_wait_for_the_device():
    fast, _ = layers()
    arguments = inputs()

    def run():
        with torch.autocast("cuda", torch.bfloat16):
            out, _ = fast(*arguments)
        out.float().sum().backward()

    (row,) = sync_rows("layer", run)
    assert row.value.median == 0


def test_compiles_on_a_gpu():
    fast, _ = layers()
    compiled = torch.compile(fast, fullgraph=True)
    with torch.no_grad(), torch.autocast("cuda", torch.bfloat16):
        out, plain = compiled(*inputs())[0], fast(*inputs())[0]
    torch.testing.assert_close(out.float(), plain.float(), atol=0.02, rtol=0.05)
