"""torch.compile with its real compiler, in the types that train: no graph break, same values."""

import shutil

import pytest
import torch

from speechmoe_espnet.moe import MoEFeedForward

D, H, E = 16, 32, 4

pytestmark = pytest.mark.skipif(
    shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU"
)


def trained(layer, dtype):
    torch.manual_seed(1)
    x, embedding = torch.randn(2, 9, D, requires_grad=True), torch.randn(2, 9, D)
    mask = torch.arange(9) < torch.tensor([9, 5]).unsqueeze(1)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        out, routing = layer(x, mask, embedding)
    (out.float().square().sum() + routing.probs.square().sum()).backward()
    grads = [x.grad, *(p.grad.clone() for p in layer.parameters())]
    layer.zero_grad()
    return [out.float(), routing.probs, *grads]


@pytest.mark.parametrize("backend", ["fused", "grouped_mm"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_a_compiled_layer_trains_as_an_eager_one(backend, dtype):
    torch.manual_seed(0)
    layer = MoEFeedForward(D, H, E, embedding_size=D, activation="swish", backend=backend)
    eager = trained(layer, dtype)
    compiled = trained(torch.compile(layer, fullgraph=True), dtype)
    tolerance = 1e-4 if dtype == torch.float32 else 0.05
    for one, other in zip(eager, compiled, strict=True):
        torch.testing.assert_close(one, other, atol=tolerance, rtol=tolerance)
