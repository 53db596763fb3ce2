import pytest
import torch

from speechmoe_espnet.data.features import add_deltas
from speechmoe_espnet.encoder.stacking import StackedFeatures

LENGTHS = torch.tensor([31, 17, 1])


def batch():
    torch.manual_seed(0)
    return torch.randn(3, 31, 5)


def test_deltas_are_kaldis():
    x = batch()
    out, _ = StackedFeatures(5, deltas=True, stack=1, subsampling=1)(x, LENGTHS)
    expected = torch.from_numpy(add_deltas(x[0].numpy()))
    torch.testing.assert_close(out[0], expected, atol=1e-5, rtol=1e-5)


def test_stacking_takes_frames_around_every_third_and_repeats_the_ends():
    x = torch.arange(10.0).view(1, 10, 1)
    out, lengths = StackedFeatures(1, deltas=False, stack=8, subsampling=3)(x, torch.tensor([10]))
    assert lengths.tolist() == [4]
    assert out[0].tolist() == [
        [0, 0, 0, 1, 2, 3, 4, 5],
        [1, 2, 3, 4, 5, 6, 7, 8],
        [4, 5, 6, 7, 8, 9, 9, 9],
        [7, 8, 9, 9, 9, 9, 9, 9],
    ]


@pytest.mark.parametrize("deltas", [True, False])
@pytest.mark.parametrize(("stack", "subsampling"), [(8, 3), (3, 3), (7, 6), (1, 1)])
def test_padding_does_not_show(deltas, stack, subsampling):
    net = StackedFeatures(5, deltas, stack, subsampling)
    x = batch()
    out, lengths = net(x, LENGTHS)
    for b, length in enumerate(LENGTHS.tolist()):
        alone, alone_lengths = net(x[b : b + 1, :length], LENGTHS[b : b + 1])
        assert lengths[b] == alone_lengths[0] == alone.size(1)
        torch.testing.assert_close(out[b, : lengths[b]], alone[0])
    assert out.size(-1) == net.output_size()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"subsampling": 0}, "subsampling: 0"), ({"stack": 2}, "stack: 2 is less than subsampling")],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        StackedFeatures(40, **arguments)
