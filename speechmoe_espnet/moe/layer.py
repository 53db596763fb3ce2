"""The mixture-of-experts feed-forward layer: router and experts put together."""

import torch
from torch import Tensor, nn

from speechmoe_espnet.moe.experts import Experts
from speechmoe_espnet.moe.router import ROUTERS, Router, Routing

ROUTER_SCALES = ("paper", "straight_through")


class MoEFeedForward(nn.Module):
    """Feed-forward layer of which each frame uses `top_k` out of `num_experts` experts.

    y_t = sum over chosen j of g_tj Expert_j(x_t), SpeechMoE (arXiv 2105.03036), equation 3.
    No frame is dropped, and no padding reaches an expert.

    Args:
        input_size: D.
        hidden_size: H.
        num_experts: E; 1 is the plain feed-forward twin, without a router.
        embedding_size: Width of the shared embedding; 0 for none.
        top_k: Experts per frame.
        activation: relu, swish or gelu.
        dropout_rate: Dropout inside the experts.
        router: "speechmoe" (embedding and input) or "switch" (input alone).
        backend: "grouped_mm", "loop" (the reference) or "auto" (grouped_mm where it runs).
        router_scale: "paper": g = p. "straight_through": g = p / stopgrad(p), which is 1 in
            the forward pass, with the same gradient direction for the router; it keeps the
            function of an upcycled layer, where g = p scales it down to about 1/E.

    Raises:
        ValueError: Where an argument is out of range.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_experts: int,
        *,
        embedding_size: int = 0,
        top_k: int = 1,
        activation: str = "relu",
        dropout_rate: float = 0.0,
        router: str = "speechmoe",
        backend: str = "auto",
        router_scale: str = "paper",
    ) -> None:
        super().__init__()
        if num_experts < 1:
            raise ValueError(f"num_experts: {num_experts} is less than 1")
        if not 1 <= top_k <= num_experts:
            raise ValueError(f"top_k: {top_k} is not between 1 and num_experts ({num_experts})")
        if router not in ROUTERS:
            raise ValueError(f"router: {router!r} is not one of {list(ROUTERS)}")
        if router_scale not in ROUTER_SCALES:
            raise ValueError(f"router_scale: {router_scale!r} is not one of {list(ROUTER_SCALES)}")
        self.input_size = input_size
        self.num_experts = num_experts
        self.top_k = top_k
        self.router_scale = router_scale
        self.embedding_size = embedding_size if router == "speechmoe" else 0
        self.router = (
            Router(input_size, num_experts, self.embedding_size, top_k) if num_experts > 1 else None
        )
        self.experts = Experts(
            input_size, hidden_size, num_experts, activation, dropout_rate, backend
        )

    def forward(
        self, x: Tensor, mask: Tensor, embedding: Tensor | None = None
    ) -> tuple[Tensor, Routing]:
        """Route the valid frames through their experts.

        Args:
            x: Input (B, T, D).
            mask: Valid frames (B, T), bool.
            embedding: Shared embedding (B, T, De); ignored where the router needs none.

        Returns:
            Output (B, T, D), 0 in padding, and the routing. A static layer's routing says
            that its one expert took every frame.

        Raises:
            ValueError: Where shapes or types do not fit.
        """
        self._check(x, mask, embedding)
        if self.router is None:
            padding = ~mask.unsqueeze(-1)
            out = self.experts.forward_single(x.masked_fill(padding, 0.0))
            return out.masked_fill(padding, 0.0), _static_routing(mask)
        routing = self.router(x, mask, embedding if self.embedding_size else None)
        return self._dispatch(x, mask, routing), routing

    def _dispatch(self, x: Tensor, mask: Tensor, routing: Routing) -> Tensor:
        """Send valid frames to their experts and add up what comes back, scaled."""
        num_frames = mask.numel()
        frames = mask.reshape(-1).nonzero().squeeze(1).repeat_interleave(self.top_k)
        chosen = routing.indices[mask].reshape(-1)
        gates = routing.probs[mask].gather(-1, routing.indices[mask]).reshape(-1, 1)
        if self.router_scale == "straight_through":
            gates = gates / gates.detach()
        order = chosen.argsort(stable=True)
        counts = torch.bincount(chosen, minlength=self.num_experts)
        rows = frames.index_select(0, order)
        expert_in = x.reshape(num_frames, -1).index_select(0, rows)
        expert_out = self.experts(expert_in, counts)
        expert_out = (expert_out * gates.index_select(0, order)).to(expert_out.dtype)
        out = expert_out.new_zeros(num_frames, self.input_size)
        return out.index_add(0, rows, expert_out).view_as(x)

    def _check(self, x: Tensor, mask: Tensor, embedding: Tensor | None) -> None:
        if x.dim() != 3 or x.size(-1) != self.input_size:
            raise ValueError(f"x: expected (batch, frames, {self.input_size}), got {_shape(x)}")
        if mask.dtype != torch.bool or mask.shape != x.shape[:2]:
            raise ValueError(
                f"mask: expected bool {tuple(x.shape[:2])}, True = valid frame, "
                f"got {mask.dtype} {_shape(mask)}"
            )
        if self.router is not None and self.embedding_size:
            expected = (*x.shape[:2], self.embedding_size)
            if embedding is None or embedding.shape != expected:
                got = "none" if embedding is None else _shape(embedding)
                raise ValueError(f"embedding: expected {expected}, got {got}")


def _static_routing(mask: Tensor) -> Routing:
    probs = mask.unsqueeze(-1).float()
    return Routing(probs, mask.unsqueeze(-1).long() - 1, torch.zeros_like(probs))


def _shape(x: Tensor) -> tuple[int, ...]:
    return tuple(x.shape)
