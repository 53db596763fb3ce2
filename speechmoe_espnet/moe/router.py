"""Routers: they choose the experts of each frame.

SpeechMoE routes on the concatenation of a shared embedding and the layer's own input, so that
all routers see the same high-level evidence. The Switch Transformer routes on the layer's input
alone.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from speechmoe_espnet.moe.routing_options import check_router_noise


class Routing(NamedTuple):
    """Decision of one layer's router.

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

    Training may add noise, so that a frame also tries experts other than the most probable one.
    The choice, the probabilities and the losses are then those of the noisy router. "gaussian":
    noise times a normal variable is added to each logit, as in Shazeer et al. (arXiv 1701.06538),
    section 2.1, with a fixed width. "jitter": each value of o is multiplied by a uniform variable
    of [1 - noise, 1 + noise], as in Switch Transformer (arXiv 2101.03961), section 2.4; the shared
    e stays as it is.

    Args:
        input_size: D.
        num_experts: E.
        embedding_size: De; 0 for none.
        top_k: K.
        noise: Width of the noise; 0 for none.
        noise_type: "gaussian" or "jitter".

    Raises:
        ValueError: Where the noise is negative or unknown, or a jitter is 1 or more.
    """

    def __init__(
        self,
        input_size: int,
        num_experts: int,
        embedding_size: int = 0,
        top_k: int = 1,
        noise: float = 0.0,
        noise_type: str = "gaussian",
    ) -> None:
        super().__init__()
        check_router_noise(noise, noise_type)
        self.input_size = input_size
        self.embedding_size = embedding_size
        self.top_k = top_k
        self.noise = noise
        self.noise_type = noise_type
        self.weight = nn.Parameter(torch.empty(num_experts, embedding_size + input_size))
        nn.init.xavier_uniform_(self.weight, gain=0.5)

    def forward(
        self,
        x: Tensor,
        padding: Tensor | None,
        embedding_logits: Tensor | None = None,
        top_k: int | None = None,
    ) -> Routing:
        """Route every frame.

        Args:
            x: Layer input (B, T, D), finite in padding.
            padding: Frames that are not valid (B, T), bool; None where all are.
            embedding_logits: The embedding's part of the logits (B, T, E), from
                `embedding_logits`; required when embedding_size > 0.
            top_k: K, where it is not the router's own.

        Returns:
            The routing, in which padding carries probability 0 and expert -1.
        """
        assert (embedding_logits is None) == (self.embedding_size == 0)
        shape = (x.size(0), x.size(1))
        with torch.autocast(x.device.type, enabled=False):
            # A few experts and many frames: everything is faster with the frames innermost.
            frames = x.float().flatten(0, 1).t()
            if self.is_noisy and self.noise_type == "jitter":
                frames = frames * torch.empty_like(frames).uniform_(1 - self.noise, 1 + self.noise)
            own = self.weight[:, self.embedding_size :].float()
            if embedding_logits is None:
                logits = own.mm(frames)
            else:
                logits = torch.addmm(embedding_logits.flatten(0, 1).t(), own, frames)
            if self.is_noisy and self.noise_type == "gaussian":
                logits = logits + self.noise * torch.randn_like(logits)
            if padding is not None:
                logits = logits.masked_fill(padding.flatten(), 0.0)
            probs = logits.softmax(dim=0).view(-1, *shape).permute(1, 2, 0)
            logits = logits.view(-1, *shape).permute(1, 2, 0)
        indices = best(probs, top_k or self.top_k)
        if padding is not None:
            probs = probs.masked_fill(padding.unsqueeze(-1), 0.0)
            indices = indices.masked_fill(padding.unsqueeze(-1), -1)
        return Routing(probs, indices, logits)

    @property
    def is_noisy(self) -> bool:
        """Whether there is noise in the current mode."""
        return self.training and self.noise > 0

    def extra_repr(self) -> str:
        """Sizes, for print(model)."""
        return (
            f"input_size={self.input_size}, embedding_size={self.embedding_size}, "
            f"num_experts={self.weight.size(0)}, top_k={self.top_k}"
        )


def embedding_logits(
    routers: Sequence[Router], embedding: Tensor, padding: Tensor | None
) -> list[Tensor]:
    """Compute the shared embedding's part of the logits of several routers, in one product.

    W [e ; o] = W_e e + W_o o, and e is the same for every layer.

    Args:
        routers: Routers of one embedding_size and one number of experts.
        embedding: Shared embedding (B, T, De).
        padding: Frames that are not valid (B, T), bool; None where all are.

    Returns:
        (B, T, E) for each router, float32.
    """
    if padding is not None:
        embedding = embedding.masked_fill(padding.unsqueeze(-1), 0.0)
    with torch.autocast(embedding.device.type, enabled=False):
        weight = torch.cat([router.weight[:, : router.embedding_size] for router in routers])
        logits = weight.float().mm(embedding.float().flatten(0, 1).t())
    return list(logits.view(len(routers), -1, *embedding.shape[:2]).permute(0, 2, 3, 1).unbind())


def best(probs: Tensor, top_k: int) -> Tensor:
    """The most probable experts, best first: (..., E) to (..., K), int64."""
    if top_k == 1:
        return probs.max(dim=-1, keepdim=True).indices
    return probs.topk(top_k, dim=-1).indices
