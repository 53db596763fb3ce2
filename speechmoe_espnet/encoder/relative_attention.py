"""Self-attention with relative positions whose memory is linear in the length of an utterance."""

import math

import torch
import torch.nn.functional as F
from espnet2.legacy.nets.pytorch_backend.transformer.attention import (
    RelPositionMultiHeadedAttention,
)
from torch import Tensor

MAX_SCORES = 1 << 25
"""Scores that may exist at a time, 128 MiB of float32."""


class RelativeAttention(RelPositionMultiHeadedAttention):
    """ESPnet's attention (rel_pos_type `latest`), block by block where the utterance is long.

    ESPnet scores every frame against all 2 T - 1 positions: 259 GB for an hour of speech.
    Inference on more than MAX_SCORES scores takes some queries at a time, with the positions that
    they reach. Otherwise results are ESPnet's bit for bit, without its product of queries and keys
    that the fused attention computes again. Without `use_sdpa` they are ESPnet's, which holds
    the attention weights.
    """

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, pos_emb: Tensor, mask: Tensor
    ) -> Tensor:
        """Attend.

        Args:
            query: (B, T, D).
            key: (B, T, D).
            value: (B, T, D).
            pos_emb: Embeddings of the distances T - 1 to -(T - 1), (1, 2 T - 1, D).
            mask: Valid keys (B, 1, T), bool.

        Returns:
            (B, T, D).
        """
        if not self.use_sdpa:
            return super().forward(query, key, value, pos_emb, mask)
        batch, frames, _ = query.shape
        q, k, v = self.forward_qkv(query, key, value)
        positions = self.linear_pos(pos_emb).view(1, -1, self.h, self.d_k).transpose(1, 2)
        rows = batch * self.h * (2 * frames - 1)
        at_once = torch.is_grad_enabled() or torch.compiler.is_compiling()
        if at_once or rows * frames <= MAX_SCORES:
            scores = torch.matmul(q + self._bias(self.pos_bias_v), positions.transpose(-2, -1))
            out = self._attend(q, k, v, self.rel_shift(scores) / math.sqrt(self.d_k), mask)
        else:
            out = torch.empty_like(q)
            step = max(1, MAX_SCORES // rows)
            for start in range(0, frames, step):
                stop = min(start + step, frames)
                mine = q[:, :, start:stop]
                reached = positions[:, :, frames - stop : 2 * frames - 1 - start]
                scores = self._position_scores(mine, reached)
                out[:, :, start:stop] = self._attend(mine, k, v, scores, mask)
        return self.linear_out(out.transpose(1, 2).reshape(batch, frames, -1))

    def _bias(self, bias: Tensor) -> Tensor:
        return bias.unsqueeze(1)

    def _attend(
        self, queries: Tensor, keys: Tensor, values: Tensor, positions: Tensor, mask: Tensor
    ) -> Tensor:
        """Attend with the positions' part of the scores (B, heads, n, T)."""
        hidden = ~mask.unsqueeze(1)
        return F.scaled_dot_product_attention(
            queries + self._bias(self.pos_bias_u),
            keys,
            values,
            positions.masked_fill(hidden, torch.finfo(positions.dtype).min),
            dropout_p=self.dropout_rate if self.training else 0.0,
        )

    def _position_scores(self, queries: Tensor, positions: Tensor) -> Tensor:
        """Score n queries against the T keys by position: (B, heads, n, T).

        Positions (1, heads, T + n - 1, d) begin with that of the last query and the first key. So
        the last row begins at the first of them, and each row before it one later.
        """
        scores = torch.matmul(queries + self._bias(self.pos_bias_v), positions.transpose(-2, -1))
        batch, heads, count, width = scores.shape
        shifted = scores.as_strided(
            (batch, heads, count, width - count + 1),
            (heads * count * width, count * width, width - 1, 1),
            count - 1,
        )
        return shifted / math.sqrt(self.d_k)
