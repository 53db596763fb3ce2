"""The CTC loss in few passes against torch's, which is ESPnet's."""

import pytest
import torch
from espnet2.asr.ctc import CTC
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from speechmoe_espnet.espnet.ctc import ctc_loss

D, V = 5, 7


def head(units=V, **options):
    torch.manual_seed(0)
    return CTC(odim=units, encoder_output_size=D, **options).double()


def batch(hlens, texts, padding=-1):
    """Hidden vectors, lengths, labels behind which `padding` stands, and their numbers."""
    hs_pad = 3 * torch.randn(len(hlens), max(hlens), D, dtype=torch.float64)
    ys_pad = torch.full((len(texts), max(map(len, texts))), padding)
    for row, text in zip(ys_pad, texts, strict=True):
        row[: len(text)] = torch.tensor(text)
    return hs_pad, torch.tensor(hlens), ys_pad, torch.tensor([len(text) for text in texts])


def loss_and_gradients(ctc, loss_of, data):
    ctc.zero_grad()
    hs_pad = data[0].clone().requires_grad_()
    loss = loss_of(hs_pad, *data[1:])
    (1.7 * loss).backward()
    return {
        "loss": loss.detach(),
        "hidden": hs_pad.grad,
        "weight": ctc.ctc_lo.weight.grad.clone(),
        "bias": ctc.ctc_lo.bias.grad.clone(),
    }


def reference(ctc, hs_pad, hlens, ys_pad, ys_lens):
    """ESPnet's lines, all in double precision; ESPnet rounds the log-probabilities to single."""
    log_probs = ctc.ctc_lo(hs_pad).log_softmax(2).transpose(0, 1)
    targets = torch.cat([row[:length] for row, length in zip(ys_pad, ys_lens, strict=True)])
    losses = F.ctc_loss(log_probs, targets, hlens, ys_lens, reduction="none", zero_infinity=True)
    return losses.sum() / len(hlens)


def assert_as_reference(ctc, data):
    expected = loss_and_gradients(ctc, lambda *arguments: reference(ctc, *arguments), data)
    found = loss_and_gradients(ctc, lambda *arguments: ctc_loss(ctc, *arguments), data)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    "texts",
    [
        [[1, 2, 3], [4], [5, 6]],
        [[1, 1], [2, 3, 2, 3, 2], [6, 6, 5, 6]],  # the same unit again
        [[1, 2], [], [3]],
        [[], [], []],
    ],
    ids=["different", "repeated", "one_empty", "all_empty"],
)
@pytest.mark.parametrize("padding", [-1, 0, 3])
def test_loss_and_gradients_are_those_of_torch(texts, padding):
    assert_as_reference(head(), batch([9, 4, 11], texts, padding))


UTTERANCE = st.tuples(st.integers(1, 12), st.lists(st.integers(1, V - 1), max_size=6))


@given(st.lists(UTTERANCE, min_size=1, max_size=4))
def test_any_batch_gives_what_torch_gives(utterances):
    # Texts that do not fit into their frames are among them: these count 0.
    assert_as_reference(head(), batch(*map(list, zip(*utterances, strict=True))))


def test_what_cannot_be_said_counts_nothing_and_is_infinite_where_that_is_wanted():
    data = batch([2, 6], [[1, 2, 3], [4, 5]])
    assert_as_reference(head(), data)
    assert ctc_loss(head(), *data).isfinite()
    assert ctc_loss(head(zero_infinity=False), *data) == torch.inf


@pytest.mark.parametrize("units", [V, 3300])
def test_single_precision_loses_no_more_than_espnets(units):
    ctc, data = head(units), batch([140, 90], [[1, 2, 3, 3, 1], [4, 5, 6]])
    expected = loss_and_gradients(ctc, lambda *arguments: reference(ctc, *arguments), data)
    single, ctc = (data[0].float(), *data[1:]), ctc.float()
    found = loss_and_gradients(ctc, lambda *arguments: ctc_loss(ctc, *arguments), single)
    espnets = loss_and_gradients(ctc, ctc, single)
    for name, value in expected.items():
        error, theirs = ((x[name] - value).abs().max() for x in (found, espnets))
        assert error <= 2 * theirs, name
        assert error < 1e-3 * value.abs().max(), name


def test_padding_is_not_read():
    ctc, (hs_pad, hlens, ys_pad, ys_lens) = head(), batch([3, 6], [[1, 2], [4, 5]])
    expected = ctc_loss(ctc, hs_pad, hlens, ys_pad, ys_lens)
    hs_pad[0, 3:] = torch.nan
    assert ctc_loss(ctc, hs_pad, hlens, ys_pad, ys_lens) == expected


def test_a_graph_that_is_kept_gives_its_gradients_again():
    ctc, (hs_pad, *lengths_and_labels) = head(), batch([9, 4], [[1, 2, 3], [4]])
    loss = ctc_loss(ctc, hs_pad.requires_grad_(), *lengths_and_labels)
    once = torch.autograd.grad(loss, hs_pad, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(loss, hs_pad), once)


def test_frozen_parts_get_no_gradient():
    ctc, data = head(), batch([9, 4], [[1, 2, 3], [4]])
    expected = loss_and_gradients(ctc, lambda *arguments: reference(ctc, *arguments), data)
    ctc.zero_grad()
    ctc.ctc_lo.weight.requires_grad_(False)
    (1.7 * ctc_loss(ctc, *data)).backward()
    assert ctc.ctc_lo.weight.grad is None
    torch.testing.assert_close(ctc.ctc_lo.bias.grad, expected["bias"])


def test_without_gradients_the_loss_is_the_same():
    ctc, data = head(), batch([9, 4], [[1, 2, 3], [4]])
    with torch.no_grad():
        loss = ctc_loss(ctc, *data)
    assert not loss.requires_grad
    torch.testing.assert_close(loss, ctc_loss(ctc, *data).detach())


def test_dropout_is_drawn_as_espnet_draws_it():
    ctc, data = head(dropout_rate=0.4), batch([9, 4], [[1, 2, 3], [4]])
    torch.manual_seed(5)
    expected = ctc(*data)
    torch.manual_seed(5)
    torch.testing.assert_close(ctc_loss(ctc, *data), expected, atol=1e-5, rtol=1e-5)


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    monkeypatch.setattr("speechmoe_espnet.espnet.ctc._in_few_passes", lambda ctc, hs_pad: False)


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("padding", [-1, 0, 3])
def test_loss_and_gradients_on_a_gpu_are_those_of_torch(padding):
    assert_as_reference(head(), batch([9, 4, 11, 5], [[1, 1], [2, 3, 2], [], [6, 5]], padding))
    data = batch([2, 6], [[1, 2, 3], [4, 5]], padding)  # the first cannot be said
    assert_as_reference(head(), data)
    assert ctc_loss(head(zero_infinity=False), *data) == torch.inf


class NumbersAsked(TorchDispatchMode):
    """Counts what a GPU would have to answer before the host can go on."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.mark.usefixtures("as_on_a_gpu")
def test_a_gpu_is_not_asked_about_each_utterance():
    data = batch([9] * 8, [[1, 2, 3]] * 8)
    with NumbersAsked() as asked:
        ctc_loss(head(), *data)
    assert asked.count == 0
    with NumbersAsked() as asked:
        head()(*data)
    assert asked.count >= 8  # ESPnet's: the mode counts


@pytest.mark.parametrize("options", [{"reduce": False}, {"ctc_type": "builtin2"}])
def test_other_losses_are_espnets_own(options):
    ctc, data = head(**options), batch([9, 4], [[1, 2, 3], [4]])
    assert torch.equal(ctc_loss(ctc, *data), ctc(*data))


def test_autocast_is_espnets_own():
    ctc, data = head().float(), batch([9, 4], [[1, 2, 3], [4]])
    single = (data[0].float(), *data[1:])
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ctc_loss(ctc, *single), ctc(*single))
