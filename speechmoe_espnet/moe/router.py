"""Which expert a frame goes to.

SpeechMoE routes on the concatenation of a shared embedding and the layer's own input, so
that all routers see the same high-level evidence; the Switch Transformer routes on the
layer's input alone.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROUTERS = ("speechmoe", "switch")


class Routing(NamedTuple):
    """What one layer's router decided.

    Attributes:
        probs: Router probabilities (B, T, E), float32; 0 in padding.
        indices: Chosen experts, most probable first (B, T, K), int64; -1 in padding.
        logits: Router logits (B, T, E), float32; 0 in padding.
    """

    probs: Tensor
    indices: Tensor
    logits: Tensor


class Router(nn.Module):
    """Linear top-k router with a float32 softmax.

    r = W [e ; o], p = softmax(r): SpeechMoE (arXiv 2105.03036), section 3.2. Without an
    embedding (`embedding_size=0`) it is the local router of Switch Transformer.
    """

    def __init__(
        self, input_size: int, num_experts: int, embedding_size: int = 0, top_k: int = 1
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.embedding_size = embedding_size
        self.top_k = top_k
        self.weight = nn.Parameter(torch.empty(num_experts, embedding_size + input_size))
        nn.init.xavier_uniform_(self.weight, gain=0.5)

    def forward(self, x: Tensor, mask: Tensor, embedding: Tensor | None = None) -> Routing:
        """Route every frame.

        Args:
            x: Layer input (B, T, D).
            mask: Valid frames (B, T), bool.
            embedding: Shared embedding (B, T, De); required when embedding_size > 0.

        Returns:
            The routing, in which padding carries probability 0 and expert -1.
        """
        padding = ~mask.unsqueeze(-1)
        evidence = x if embedding is None else torch.cat([embedding.to(x.dtype), x], dim=-1)
        evidence = evidence.masked_fill(padding, 0.0)
        with torch.autocast(x.device.type, enabled=False):
            logits = F.linear(evidence.float(), self.weight.float())
            probs = logits.softmax(dim=-1).masked_fill(padding, 0.0)
        indices = probs.topk(self.top_k, dim=-1).indices.masked_fill(padding, -1)
        return Routing(probs, indices, logits)

    def extra_repr(self) -> str:
        """Sizes, for print(model)."""
        return (
            f"input_size={self.input_size}, embedding_size={self.embedding_size}, "
            f"num_experts={self.weight.size(0)}, top_k={self.top_k}"
        )
