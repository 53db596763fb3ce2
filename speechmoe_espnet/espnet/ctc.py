"""ESPnet's CTC loss in fewer passes over the vocabulary.

A CTC head of a few thousand characters costs a small model more than its encoder does. Most of the
cost is not the products: torch's loss and log-softmax go over frames x vocabulary about ten times,
though an utterance needs only the columns of its own labels. Here the recursion runs on these
columns, without rows of padding. The gradient of the logits, softmax minus occupancies (Graves et
al. 2006, equation 16), is computed from the log-softmax in place.

On a GPU these passes cost little. But ESPnet cuts out the labels of each utterance by a length that
is on the device, so the host waits once per utterance. On a GPU torch therefore gets the padded
labels.
"""

from typing import Any, NamedTuple, cast

import torch
from espnet2.asr.ctc import CTC
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F

from speechmoe_espnet.encoder.output import valid_frames


def ctc_loss(ctc: CTC, hs_pad: Tensor, hlens: Tensor, ys_pad: Tensor, ys_lens: Tensor) -> Tensor:
    """Compute `ctc(hs_pad, hlens, ys_pad, ys_lens)`: the same loss and gradients, faster.

    With torch's loss averaged over utterances (ESPnet's defaults), in few passes on a CPU in
    float32 or float64; any other loss is left to ESPnet.

    Args:
        ctc: ESPnet's CTC head, D to V units, unit 0 being blank.
        hs_pad: Encoder output (B, T, D).
        hlens: Valid frames of each utterance (B,).
        ys_pad: Labels (B, L), anything behind ys_lens.
        ys_lens: Number of labels of each utterance (B,).

    Returns:
        The loss, a sum over frames averaged over utterances (); an utterance with more labels
        than frames can hold counts 0 and has no gradient if ctc.ctc_loss.zero_infinity.
    """
    if ctc.ctc_type != "builtin" or not ctc.reduce:
        return cast(Tensor, ctc(hs_pad, hlens, ys_pad, ys_lens))
    if not _in_few_passes(ctc, hs_pad):
        return _padded(ctc, hs_pad, hlens, ys_pad, ys_lens)
    hidden = F.dropout(hs_pad, p=ctc.dropout_rate)[valid_frames(hlens, hs_pad.size(1))]
    losses = _Losses.apply(
        hidden, ctc.ctc_lo.weight, ctc.ctc_lo.bias, _Labels.of(hlens, ys_pad, ys_lens)
    )
    losses = cast(Tensor, losses)
    if ctc.ctc_loss.zero_infinity:
        # A product would not do: infinity times zero is not a number.
        losses = losses.masked_fill(losses == torch.inf, 0.0)
    return losses.sum() / hlens.numel()


def _padded(ctc: CTC, hs_pad: Tensor, hlens: Tensor, ys_pad: Tensor, ys_lens: Tensor) -> Tensor:
    """Compute torch's loss of the padded labels; copies the lengths to the host, two copies."""
    logits = ctc.ctc_lo(F.dropout(hs_pad, p=ctc.dropout_rate)).transpose(0, 1)
    log_probs = logits.log_softmax(2)
    losses = F.ctc_loss(
        log_probs.to(torch.promote_types(log_probs.dtype, torch.float32)),
        ys_pad.masked_fill(~valid_frames(ys_lens, ys_pad.size(1)), 0),
        hlens.cpu(),
        ys_lens.cpu(),
        reduction="none",
        zero_infinity=ctc.ctc_loss.zero_infinity,
    )
    return losses.sum() / hlens.numel()


def _in_few_passes(ctc: CTC, hs_pad: Tensor) -> bool:
    return (
        hs_pad.device.type == "cpu"
        and hs_pad.dtype == ctc.ctc_lo.weight.dtype
        and hs_pad.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


class _Labels(NamedTuple):
    """Labels of a batch, and the columns of the vocabulary that they need.

    Attributes:
        frames: Valid frames (B,).
        units: Unit of each column (B, 1 + L): blank, then the labels, blank behind them.
        targets: Column of each label (B, L): where its unit came first.
        lengths: Number of labels (B,).
        utterances: The utterance of each of the N valid frames (N,).
    """

    frames: Tensor
    units: Tensor
    targets: Tensor
    lengths: Tensor
    utterances: Tensor

    @classmethod
    def of(cls, hlens: Tensor, ys_pad: Tensor, ys_lens: Tensor) -> "_Labels":
        labels = ys_pad.masked_fill(~valid_frames(ys_lens, ys_pad.size(1)), 0)
        units = F.pad(labels, (1, 0))
        same = units.unsqueeze(2) == units.unsqueeze(1)
        first = torch.where(same, torch.arange(units.size(1)), units.size(1)).amin(2)
        utterances = torch.repeat_interleave(torch.arange(hlens.numel()), hlens)
        return cls(hlens, units, first[:, 1:], ys_lens, utterances)


class _Losses(torch.autograd.Function):
    """Losses of the utterances (B,) from the hidden vectors of their valid frames (N, D)."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, hidden: Tensor, weight: Tensor, bias: Tensor, labels: _Labels
    ) -> Tensor:
        logits = torch.addmm(bias, hidden, weight.t())
        log_probs = torch.log_softmax(logits, 1, out=logits)
        columns = labels.units[labels.utterances]
        losses, occupancies = _forward_backward(log_probs.gather(1, columns), labels)
        if any(cast(Any, ctx).needs_input_grad):
            grad_logits = log_probs.exp_().scatter_add_(1, columns, -occupancies)
            ctx.save_for_backward(hidden, weight, grad_logits, labels.utterances)
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, grad_logits, utterances = ctx.saved_tensors
        scales = grad_outputs[0][utterances].unsqueeze(1)
        grad_hidden = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_hidden = (grad_logits @ weight).mul_(scales)
        if ctx.needs_input_grad[1]:
            grad_weight = grad_logits.t() @ (hidden * scales)
        if ctx.needs_input_grad[2]:
            grad_bias = grad_logits.t().mv(scales.squeeze(1))
        return grad_hidden, grad_weight, grad_bias, None


def _forward_backward(label_log_probs: Tensor, labels: _Labels) -> tuple[Tensor, Tensor]:
    """Run torch's recursions on the columns of the labels.

    Args:
        label_log_probs: Log-probabilities of valid frames (N, 1 + L), columns as in labels.units.
        labels: The labels.

    Returns:
        Losses (B,) and the probability that a frame belongs to a column (N, 1 + L), 0 where the
        utterance is impossible.
    """
    mask = valid_frames(labels.frames, int(labels.frames.max()))
    padded = label_log_probs.new_zeros(*mask.shape, label_log_probs.size(1))
    padded[mask] = label_log_probs
    with torch.enable_grad():
        padded = padded.transpose(0, 1).requires_grad_()
        losses = F.ctc_loss(padded, labels.targets, labels.frames, labels.lengths, reduction="none")
        (grad,) = torch.autograd.grad(losses.sum(), padded)
    # torch assumes log-softmax as input; its gradient is that of the logits: p - occupancy.
    occupancies = label_log_probs.exp() - grad.transpose(0, 1)[mask]
    impossible = (losses.detach() == torch.inf)[labels.utterances]
    return losses.detach(), occupancies.masked_fill(impossible.unsqueeze(1), 0.0)
