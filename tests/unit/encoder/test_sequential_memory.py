import pytest
import torch

from speechmoe_espnet.encoder.sequential_memory import SequentialMemory

D = 4


def taps(net):
    """Past taps a_0.., future taps c_1.. of the layer, each (D,)."""
    if net.one_filter:
        weight = net.filter.weight[:, 0]
        past = net.left // net.filter.dilation[0] + 1
        return weight[:, :past].flip(1).t(), weight[:, past:].t()
    return net.back.weight[:, 0].flip(1).t(), net.ahead.weight[:, 0].t()


@pytest.mark.parametrize(
    ("back", "ahead", "back_stride", "ahead_stride"),
    [(3, 4, 1, 1), (3, 4, 2, 2), (3, 2, 2, 3), (0, 3, 1, 2), (3, 0, 2, 1), (0, 0, 1, 1)],
)
def test_follows_the_equation_and_ignores_padding(back, ahead, back_stride, ahead_stride):
    torch.manual_seed(0)
    net = SequentialMemory(D, back, ahead, back_stride, ahead_stride)
    a, c = taps(net)
    x = torch.randn(2, 20, D)
    mask = torch.arange(20) < torch.tensor([[20], [11]])
    out = net(x, mask)
    assert out.shape == x.shape
    for b, length in enumerate((20, 11)):
        for t in range(length):
            expected = torch.zeros(D)
            for i in range(back + 1):
                if t - back_stride * i >= 0:
                    expected += a[i] * x[b, t - back_stride * i]
            for j in range(1, ahead + 1):
                if t + ahead_stride * j < length:
                    expected += c[j - 1] * x[b, t + ahead_stride * j]
            torch.testing.assert_close(out[b, t], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["look_back", "look_ahead_stride"])
def test_mistakes_are_named(name):
    with pytest.raises(ValueError, match=f"memory {name}: -1"):
        SequentialMemory(D, **{name: -1})
