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
    they reach. Training and export are as in ESPnet.
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
        batch, frames, _ = query.shape
        rows = batch * self.h * (2 * frames - 1)
        long = not (torch.is_grad_enabled() or torch.compiler.is_compiling())
        if not long or rows * frames <= MAX_SCORES:
            return super().forward(query, key, value, pos_emb, mask)
        q, k, v = self.forward_qkv(query, key, value)
        positions = self.linear_pos(pos_emb).view(1, -1, self.h, self.d_k).transpose(1, 2)
        out = torch.empty_like(q)
        step = max(1, MAX_SCORES // rows)
        for start in range(0, frames, step):
            stop = min(start + step, frames)
            mine = q[:, :, start:stop]
            bias = self._position_scores(
                mine, positions[:, :, frames - stop : 2 * frames - 1 - start]
            )
            bias = bias.masked_fill(~mask.unsqueeze(1), torch.finfo(bias.dtype).min)
            out[:, :, start:stop] = F.scaled_dot_product_attention(
                mine + self.pos_bias_u.unsqueeze(1), k, v, bias
            )
        return self.linear_out(out.transpose(1, 2).reshape(batch, frames, -1))

    def _position_scores(self, queries: Tensor, positions: Tensor) -> Tensor:
        """Score n queries against the T keys by position: (B, heads, n, T).

        Positions (1, heads, T + n - 1, d) begin with that of the last query and the first key. So
        the last row begins at the first of them, and each row before it one later.
        """
        scores = torch.matmul(queries + self.pos_bias_v.unsqueeze(1), positions.transpose(-2, -1))
        batch, heads, count, width = scores.shape
        shifted = scores.as_strided(
            (batch, heads, count, width - count + 1),
            (heads * count * width, count * width, width - 1, 1),
            count - 1,
        )
        return shifted / math.sqrt(self.d_k)
