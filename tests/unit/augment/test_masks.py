import torch
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.augment.masks import fill_with_mean, masked_places

share = st.floats(0, 1, exclude_max=True, width=32)


@given(st.lists(st.tuples(share, share), min_size=1, max_size=3), st.integers(1, 60), share)
def test_masks_lie_in_the_valid_places_and_are_no_wider_than_allowed(masks, extent, most):
    start, width = torch.tensor(masks).T.unsqueeze(1)
    widest = torch.tensor([most * extent])
    (places,) = masked_places(start, width, widest, torch.tensor([extent]), 64)
    expected = torch.zeros(64, dtype=torch.bool)
    for begin, share_of_width in masks:
        size = min(int(share_of_width * (int(widest) + 1)), int(widest))
        first = min(int(begin * (extent - size + 1)), extent - size)
        expected[first : first + size] = True
    # Products are rounded to float32 here and to float64 there.
    assert (places != expected).sum() <= 2 * len(masks)
    assert not places[extent:].any()
    assert places.sum() <= len(masks) * int(widest)


def test_all_widths_and_places_are_drawn_alike():
    start, width = torch.rand(2, 20000, 1, generator=torch.Generator().manual_seed(0)).unbind()
    extent = torch.full((20000,), 10)
    places = masked_places(start, width, extent.clamp(max=3), extent, 12)
    counts = places.sum(dim=1).bincount(minlength=4) / 20000
    torch.testing.assert_close(counts, torch.full((4,), 0.25), atol=0.02, rtol=0)
    single = places[places.sum(dim=1) == 1].float().mean(dim=0)
    torch.testing.assert_close(single[:10], torch.full((10,), 0.1), atol=0.02, rtol=0)


def test_masked_values_are_the_mean_of_their_bin():
    x = torch.randn(2, 8, 5, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([8, 6])
    weights = (torch.arange(8) < lengths.unsqueeze(1)) / lengths.unsqueeze(1)
    times = torch.zeros(2, 8, dtype=torch.bool)
    bins = torch.zeros(2, 5, dtype=torch.bool)
    times[0, 2:4] = bins[1, 3] = True
    out = fill_with_mean(x, weights, times, bins)
    expected = x.clone()
    expected[0, 2:4] = x[0].mean(dim=0)
    expected[1, :, 3] = x[1, :6, 3].mean()
    torch.testing.assert_close(out, expected)
    kept = ~(times.unsqueeze(2) | bins.unsqueeze(1))
    assert torch.equal(out[kept], x[kept])
    torch.testing.assert_close(fill_with_mean(x, weights, None, bins)[1], expected[1])
    torch.testing.assert_close(fill_with_mean(x, weights, times, None)[0], expected[0])
    assert fill_with_mean(x, weights, None, None) is x
