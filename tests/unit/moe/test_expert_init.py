import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from speechmoe_espnet.moe import ExpertInit, Experts
from speechmoe_espnet.moe.fused import Weights

D, H, E = 12, 400, 3


def copies():
    """One trained-looking layer, three times; every tensor has a mean and a spread of its own."""
    torch.manual_seed(0)
    one = Experts(D, H, 1)
    with torch.no_grad():
        tensors = [3 * i + (i + 1) * torch.randn_like(w) for i, w in enumerate(one.weights)]
    return Weights(*(t.expand(E, *t.shape[1:]).contiguous() for t in tensors))


def varied(seed=0, **options):
    return ExpertInit(**options).vary(copies(), torch.Generator().manual_seed(seed))


def test_noise_is_a_share_of_each_tensors_spread():
    for new, old in zip(varied(noise=0.05), copies(), strict=True):
        noise = (new - old).flatten()
        spread = 0.05 * old[0].std(correction=0)
        assert abs(noise.mean()) < 0.5 * spread
        torch.testing.assert_close(noise.std(), spread, rtol=0.3, atol=0)
    w1 = varied(noise=0.05).w1
    assert not torch.equal(w1[0], w1[1])


@given(st.floats(0, 1))
@example(1 / H)
@settings(max_examples=20)
def test_the_share_of_neurons_is_redrawn_and_the_others_stay(redraw):
    new, old = varied(redraw=redraw), copies()
    drawn = (new.b1 != old.b1).sum(dim=1)
    assert drawn.tolist() == [round(redraw * H)] * E
    for expert in range(E):
        stays = new.b1[expert] == old.b1[expert]
        assert torch.equal(new.w1[expert][:, stays], old.w1[expert][:, stays])
        assert torch.equal(new.w2[expert][stays], old.w2[expert][stays])
        assert (new.w1[expert][:, ~stays] != old.w1[expert][:, ~stays]).all()
        assert (new.w2[expert][~stays] != old.w2[expert][~stays]).all()
    assert torch.equal(new.b2, old.b2)


def test_redrawn_neurons_have_the_statistics_of_the_old_ones():
    new, old = varied(redraw=0.5), copies()
    drawn = new.b1 != old.b1
    assert not torch.equal(drawn[0], drawn[1])
    for after, before in (
        (new.b1[drawn], old.b1[drawn]),
        (new.w1.transpose(1, 2)[drawn], old.w1.transpose(1, 2)[drawn]),
        (new.w2[drawn], old.w2[drawn]),
    ):
        torch.testing.assert_close(after.mean(), before.mean(), atol=0.3, rtol=0.05)
        torch.testing.assert_close(after.std(), before.std(), rtol=0.1, atol=0)


def test_a_seed_gives_the_same_experts_again():
    first, again, other = (varied(seed, noise=0.1, redraw=0.3) for seed in (1, 1, 2))
    for one, same, different in zip(first, again, other, strict=True):
        assert torch.equal(one, same)
        assert not torch.equal(one, different)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": -0.1}, "expert_init_noise: -0.1"),
        ({"noise": float("nan")}, "expert_init_noise: nan"),
        ({"redraw": 1.1}, r"expert_init_redraw: 1.1 is not in \[0, 1\]"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        ExpertInit(**options)
