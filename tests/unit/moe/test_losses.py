import math

import pytest
import torch

from speechmoe_espnet.moe import (
    mean_importance_loss,
    router_z_loss,
    sparsity_l1_loss,
    switch_load_balance_loss,
)
from speechmoe_espnet.moe.losses import expert_load

B, T, E = 3, 7, 4


@pytest.fixture
def mask():
    return torch.arange(T) < torch.tensor([7, 4, 1]).unsqueeze(1)


def one_hot(mask, expert):
    probs = torch.zeros(B, T, E)
    probs[..., expert] = 1.0
    return probs * mask.unsqueeze(-1)


def uniform(mask):
    return torch.full((B, T, E), 1 / E) * mask.unsqueeze(-1)


def test_sparsity_is_1_for_certainty_and_sqrt_e_for_indecision(mask):
    assert sparsity_l1_loss(one_hot(mask, 2), mask).item() == pytest.approx(1.0)
    assert sparsity_l1_loss(uniform(mask), mask).item() == pytest.approx(math.sqrt(E))


def test_importance_is_1_when_balanced_and_e_when_one_takes_all(mask):
    assert mean_importance_loss(uniform(mask), mask).item() == pytest.approx(1.0)
    assert mean_importance_loss(one_hot(mask, 0), mask).item() == pytest.approx(E)


def test_load_balance_is_1_when_balanced_and_e_when_one_takes_all(mask):
    frames = int(mask.sum())
    indices = torch.full((B, T, 1), -1)
    indices[mask] = (torch.arange(frames) % E).unsqueeze(1)
    assert switch_load_balance_loss(uniform(mask), indices, mask).item() == pytest.approx(1.0)
    indices = torch.zeros(B, T, 1, dtype=torch.long)
    assert switch_load_balance_loss(one_hot(mask, 0), indices, mask).item() == pytest.approx(E)


def test_z_loss_of_equal_logits(mask):
    assert router_z_loss(torch.zeros(B, T, E), mask).item() == pytest.approx(math.log(E) ** 2)


def test_losses_match_their_definition_frame_by_frame(mask):
    torch.manual_seed(0)
    logits = torch.randn(B, T, E)
    probs = logits.softmax(-1)
    valid = [p for row, keep in zip(probs, mask, strict=True) for p in row[keep]]
    sparsity = sum(p.sum() / p.square().sum().sqrt() for p in valid) / len(valid)
    importance = E * (sum(valid) / len(valid)).square().sum()
    torch.testing.assert_close(sparsity_l1_loss(probs, mask), sparsity)
    torch.testing.assert_close(mean_importance_loss(probs, mask), importance)


@pytest.mark.parametrize("loss", [sparsity_l1_loss, mean_importance_loss, router_z_loss])
def test_padding_changes_neither_value_nor_gradient(loss, mask):
    torch.manual_seed(0)
    clean = torch.rand(B, T, E, requires_grad=True)
    noisy = clean.detach().clone()
    noisy[~mask] = torch.rand(int((~mask).sum()), E) * 9
    noisy.requires_grad_()
    values = [loss(x, mask) for x in (clean, noisy)]
    for value in values:
        value.backward()
    torch.testing.assert_close(values[0], values[1])
    torch.testing.assert_close(clean.grad[mask], noisy.grad[mask])
    assert not noisy.grad[~mask].any()


def test_sparsity_gradient_is_finite_where_padding_is_zero(mask):
    probs = uniform(mask).requires_grad_()
    sparsity_l1_loss(probs, mask).backward()
    assert torch.isfinite(probs.grad).all()


def test_expert_load_counts_valid_frames_only(mask):
    indices = torch.where(mask.unsqueeze(-1), 1, 3)
    assert expert_load(indices, mask, E).tolist() == [0, 1, 0, 0]


def test_stacked_layers_give_the_loss_of_each(mask):
    torch.manual_seed(0)
    logits = torch.randn(3, B, T, E)
    probs = logits.softmax(-1)
    indices = probs.topk(2, dim=-1).indices
    for stacked, single in (
        (sparsity_l1_loss(probs, mask), [sparsity_l1_loss(p, mask) for p in probs]),
        (mean_importance_loss(probs, mask), [mean_importance_loss(p, mask) for p in probs]),
        (router_z_loss(logits, mask), [router_z_loss(r, mask) for r in logits]),
        (
            switch_load_balance_loss(probs, indices, mask),
            [switch_load_balance_loss(p, i, mask) for p, i in zip(probs, indices, strict=True)],
        ),
        (expert_load(indices, mask, E), [expert_load(i, mask, E) for i in indices]),
    ):
        torch.testing.assert_close(stacked, torch.stack(single))
