"""Output of a SpeechMoE encoder, and masks of valid frames.

ESPnet's encoders return three values, and ESPnet's model drops the third. So the routing has a
return value of its own; no global holds it.
"""

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from speechmoe_espnet.moe import Routing


class SpeechMoEOutput(NamedTuple):
    """Encoder output with all inputs of the auxiliary losses.

    Attributes:
        encoder_out: (B, T', D).
        encoder_out_lens: Valid frames of each utterance (B,), int64.
        embedding_out: Output of the shared embedding network (B, T', De), not detached;
            None where there is no embedding network.
        routing: One Routing per MoE layer, from input to output; empty for a dense encoder. A
            layer that stochastic depth left out is missing.
        intermediate_outs: Number of each block of intermediate CTC and its normalised output
            (B, T', D); or, with `return_all_hs`, of every block and its output.
    """

    encoder_out: Tensor
    encoder_out_lens: Tensor
    embedding_out: Tensor | None
    routing: tuple[Routing, ...]
    intermediate_outs: tuple[tuple[int, Tensor], ...] = ()


def valid_frames(lengths: Tensor, num_frames: int) -> Tensor:
    """Mask of valid frames.

    Args:
        lengths: Frames of each utterance (B,).
        num_frames: T, the padded length.

    Returns:
        Bool mask (B, T), True = valid.
    """
    return torch.arange(num_frames, device=lengths.device).unsqueeze(0) < lengths.unsqueeze(1)


def is_tracing() -> bool:
    """Whether torch.jit.trace is running."""
    return bool(cast(Any, torch.jit).is_tracing())
