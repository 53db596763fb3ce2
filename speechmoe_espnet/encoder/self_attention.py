"""ESPnet's self-attention by torch's fused product, with weights that can be looked at.

The fused product never holds the attention weights. ESPnet draws them after every epoch
(`num_att_plot`), from the attribute `attn` of each layer. In evaluation a layer keeps its input,
which is small, and computes the weights when somebody reads them.
"""

from collections.abc import Mapping
from typing import Any

import torch
from espnet2.legacy.nets.pytorch_backend.transformer.attention import MultiHeadedAttention
from torch import Tensor

from speechmoe_espnet.encoder.output import is_tracing
from speechmoe_espnet.encoder.relative_attention import RelativeAttention


class _KeepsInput(MultiHeadedAttention):
    """Attention whose weights are computed when they are read.

    Args:
        heads: Heads.
        size: D.
        dropout_rate: Dropout on attention weights.
    """

    _input: tuple[Tensor, ...] | None = None
    _weights: Tensor | None = None

    def __init__(self, heads: int, size: int, dropout_rate: float) -> None:
        super().__init__(heads, size, dropout_rate, use_sdpa=True)

    def forward(self, *args: Tensor) -> Tensor:
        """The arguments and the result of ESPnet's layer."""
        out: Tensor = super().forward(*args)
        if not (torch.compiler.is_compiling() or is_tracing()):
            kept = None if self.training else tuple(value.detach() for value in args)
            if kept is not None or self._input is not None:
                self._input, self._weights = kept, None
        return out

    @property
    def attn(self) -> Tensor | None:
        """Weights of the last call in evaluation (B, heads, T', T'); None after training."""
        if self._weights is None and self._input is not None:
            self.use_sdpa = False
            try:
                with torch.no_grad():
                    super().forward(*self._input)
            finally:
                self.use_sdpa = True
        return self._weights

    @attn.setter
    def attn(self, weights: Tensor | None) -> None:
        self._weights = weights

    def __getstate__(self) -> Mapping[str, Any]:
        """Copies and pickles leave the input behind."""
        state = self.__dict__.copy()
        state.pop("_input", None)
        state.pop("_weights", None)
        return state


class SelfAttention(_KeepsInput):
    """Attention of the DFSMN blocks, called as (x, x, x, mask)."""


class RelativeSelfAttention(_KeepsInput, RelativeAttention):
    """Attention of the Conformer blocks, called as (x, x, x, relative positions, mask)."""
