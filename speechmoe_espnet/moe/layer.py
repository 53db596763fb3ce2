"""MoE feed-forward layer: router and experts put together."""

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from speechmoe_espnet.moe.experts import Experts
from speechmoe_espnet.moe.fused_layer import LayerOptions, run_layer
from speechmoe_espnet.moe.router import Router, Routing
from speechmoe_espnet.moe.router import embedding_logits as compute_embedding_logits
from speechmoe_espnet.moe.routing_options import MoEOptions


class MoEFeedForward(nn.Module):
    """Feed-forward layer of which each frame uses `top_k` out of `num_experts` experts.

    y_t = sum over chosen j of g_tj Expert_j(x_t), SpeechMoE (arXiv 2105.03036), equation 3.
    No frame is dropped, and no padding reaches an expert.

    Args:
        input_size: D.
        hidden_size: H.
        num_experts: E; 1 is the dense baseline, without a router.
        embedding_size: Width of the shared embedding; 0 for none.
        activation: relu, swish or gelu.
        dropout_rate: Dropout inside the experts.
        backend: "auto", "fused", "grouped_mm" or "loop" (the reference), see Experts.
        routing: Any other field of MoEOptions but moe_blocks: top_k=1, router="speechmoe", ...
            The layer does not count steps, because activation checkpointing runs it twice a
            step: see `set_step`.

    Raises:
        TypeError: Where an argument is unknown.
        ValueError: Where an argument is out of range.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_experts: int,
        *,
        embedding_size: int = 0,
        activation: str = "relu",
        dropout_rate: float = 0.0,
        backend: str = "auto",
        **routing: Any,
    ) -> None:
        super().__init__()
        options = MoEOptions(num_experts=num_experts, expert_backend=backend, **routing)
        if options.moe_blocks is not None:
            raise ValueError(
                f"moe_blocks: {options.moe_blocks} are blocks of an encoder; "
                "leave it out for a single layer"
            )
        self.input_size = input_size
        self.num_experts = num_experts
        self.top_k = options.top_k
        self.router_scale = options.router_scale
        self.routing_warmup = options.routing_warmup
        self.routing_warmup_steps = options.routing_warmup_steps
        self.warming = options.routing_warmup_steps > 0
        self.embedding_size = embedding_size if options.router == "speechmoe" else 0
        self.router: Router | None = None
        if num_experts > 1:
            self.router = Router(
                input_size,
                num_experts,
                self.embedding_size,
                options.top_k,
                options.router_noise,
                options.router_noise_type,
            )
        inside = options.dropout_inside(dropout_rate)
        self.experts = Experts(
            input_size,
            hidden_size,
            num_experts,
            activation,
            inside,
            backend,
            options.expert_parallel,
        )

    @classmethod
    def from_options(
        cls, input_size: int, hidden_size: int, options: MoEOptions, **sizes: Any
    ) -> "MoEFeedForward":
        """Build the layer of an encoder's block.

        Args:
            input_size: D.
            hidden_size: H.
            options: Options of the block, see `MoEOptions.of_block`.
            sizes: embedding_size, activation and dropout_rate.
        """
        routing = asdict(options)
        backend = routing.pop("expert_backend")
        return cls(input_size, hidden_size, backend=backend, **sizes, **routing)

    def forward(
        self,
        x: Tensor,
        mask: Tensor,
        embedding: Tensor | None = None,
        *,
        embedding_logits: Tensor | None = None,
    ) -> tuple[Tensor, Routing]:
        """Route the valid frames through their experts.

        Args:
            x: Input (B, T, D).
            mask: Valid frames (B, T), bool.
            embedding: Shared embedding (B, T, De); ignored where the router needs none.
            embedding_logits: The embedding's part of this layer's logits (B, T, E), in place of
                `embedding`. An encoder computes it for all layers at once, see
                `moe.embedding_logits`.

        Returns:
            Output (B, T, D), 0 in padding, and the routing. The routing of a dense layer gives
            every frame to its one expert.

        Raises:
            ValueError: Where shapes or types do not fit.
        """
        self._check(x, mask, embedding, embedding_logits)
        padding = padding_of(mask)
        if padding is not None:
            x = x.masked_fill(padding.unsqueeze(-1), 0.0)
        if self.router is None:
            out = self.experts.forward_single(x)
            if padding is not None:
                out = out.masked_fill(padding.unsqueeze(-1), 0.0)
            return out, _dense_routing(mask)
        if not self.embedding_size:
            embedding_logits = None
        elif embedding_logits is None:
            assert embedding is not None
            (embedding_logits,) = compute_embedding_logits([self.router], embedding, padding)
        warming = self.training and self.warming
        plain = not warming and not self.router.is_noisy
        if plain and self.experts.fuses_with_router(x):
            return self._forward_fused(x, padding, embedding_logits)
        top_k = self._warmup_top_k() if warming else self.top_k
        routing = self.router(x, padding, embedding_logits, top_k)
        out = self.experts(
            x.reshape(-1, self.input_size),
            routing.indices.reshape(-1, top_k),
            self._gates(routing, warming),
        )
        if warming:
            routing = routing._replace(indices=routing.indices[..., : self.top_k])
        return out.view(x.shape), routing

    def set_step(self, step: int) -> None:
        """Set the number of training steps so far; warm-up ends at routing_warmup_steps."""
        self.warming = step < self.routing_warmup_steps

    def _forward_fused(
        self, x: Tensor, padding: Tensor | None, embedding_logits: Tensor | None
    ) -> tuple[Tensor, Routing]:
        assert self.router is not None
        options = LayerOptions(
            None if padding is None else padding.reshape(-1),
            self.top_k,
            self.router_scale == "straight_through",
            self.experts.activation,
            self.experts.active_dropout,
        )
        if embedding_logits is not None:
            embedding_logits = embedding_logits.permute(2, 0, 1).reshape(self.num_experts, -1)
        out, probs, logits, chosen = run_layer(
            x.reshape(-1, self.input_size),
            embedding_logits,
            self.router.weight[:, self.embedding_size :],
            self.experts.weights,
            options,
        )
        batch, frames, _ = x.shape
        probs, logits = (v.view(-1, batch, frames).permute(1, 2, 0) for v in (probs, logits))
        return out.view(x.shape), Routing(probs, chosen.view(batch, frames, -1), logits)

    def _gates(self, routing: Routing, warming: bool) -> Tensor | None:
        """Factors of the chosen experts' outputs (frames, K); None where all are 1 for good."""
        straight_through = self.router_scale == "straight_through"
        alone = self.top_k == 1 and not warming
        if straight_through and alone and not torch.is_grad_enabled():
            return None
        gates = routing.probs.gather(-1, routing.indices.clamp(min=0))
        if straight_through:
            total = gates.detach().sum(dim=-1, keepdim=True)
            # 0 in padding.
            gates = gates / total.clamp(min=torch.finfo(total.dtype).tiny)
        return gates.flatten(0, 1)

    def _warmup_top_k(self) -> int:
        return self.num_experts if self.routing_warmup == "soft" else max(2, self.top_k)

    def _check(
        self,
        x: Tensor,
        mask: Tensor,
        embedding: Tensor | None,
        embedding_logits: Tensor | None,
    ) -> None:
        if x.dim() != 3 or x.size(-1) != self.input_size:
            raise ValueError(f"x: expected (batch, frames, {self.input_size}), got {_shape(x)}")
        if mask.dtype != torch.bool or mask.shape != x.shape[:2]:
            raise ValueError(
                f"mask: expected bool {tuple(x.shape[:2])}, True = valid frame, "
                f"got {mask.dtype} {_shape(mask)}"
            )
        if self.router is None or not self.embedding_size:
            return
        if embedding_logits is None:
            _check_shape("embedding", embedding, (*x.shape[:2], self.embedding_size))
        else:
            _check_shape("embedding_logits", embedding_logits, (*x.shape[:2], self.num_experts))


def padding_of(mask: Tensor) -> Tensor | None:
    """Padding mask of a batch (B, T), or None where there is no padding.

    Only eager mode on a CPU looks at the values: looking would make the host wait for a GPU and
    would break a compiled graph. Both mask padding whether there is any or not.

    Args:
        mask: Valid frames (B, T), bool.
    """
    may_look = mask.device.type == "cpu" and not torch.compiler.is_compiling()
    # numpy's all() is several times faster than torch's.
    return None if may_look and mask.numpy().all() else ~mask


def _check_shape(name: str, value: Tensor | None, expected: tuple[int, ...]) -> None:
    if value is None or value.shape != expected:
        got = "none" if value is None else _shape(value)
        raise ValueError(f"{name}: expected {expected}, got {got}")


def _dense_routing(mask: Tensor) -> Routing:
    probs = mask.unsqueeze(-1).float()
    return Routing(probs, mask.unsqueeze(-1).long() - 1, torch.zeros_like(probs))


def _shape(x: Tensor) -> tuple[int, ...]:
    return tuple(x.shape)
