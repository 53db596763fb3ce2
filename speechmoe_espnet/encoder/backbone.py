"""Backbones: stacks of blocks from features to encoder frames and routing."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from speechmoe_espnet.moe import MoEFeedForward, Routing, embedding_logits
from speechmoe_espnet.moe.layer import padding_of


class Block(nn.Module):
    """Block of a backbone, with one feed-forward layer that may be a mixture of experts."""

    feed_forward: MoEFeedForward


class Backbone(nn.Module):
    """Stack of blocks: the embedding network and the main network are one each.

    Args:
        blocks: The blocks.
        activation_checkpointing: Whether training keeps only the blocks' inputs and computes
            everything else again in the backward pass.
    """

    def __init__(self, blocks: Sequence[Block], activation_checkpointing: bool = False) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.activation_checkpointing = activation_checkpointing

    def run_blocks(
        self, x: Tensor, mask: Tensor, embedding: Tensor | None, *context: Any
    ) -> tuple[Tensor, list[Routing]]:
        """Run the blocks one after the other.

        Args:
            x: (B, T', D).
            mask: Valid frames (B, T'), bool.
            embedding: Detached output of the embedding network (B, T', De), or None.
            context: Further arguments of every block, after the embedding's logits.

        Returns:
            (B, T', D), and the routing of each block that has experts.
        """
        routing = []
        for block, logits in zip(self.blocks, self._embedding_logits(embedding, mask), strict=True):
            if self.activation_checkpointing and torch.is_grad_enabled():
                x, decision = checkpoint(block, x, mask, logits, *context, use_reentrant=False)
            else:
                x, decision = block(x, mask, logits, *context)
            if cast(Block, block).feed_forward.router is not None:
                routing.append(decision)
        return x, routing

    def _embedding_logits(self, embedding: Tensor | None, mask: Tensor) -> Sequence[Tensor | None]:
        """The embedding's part of each block's router logits, all from one product."""
        layers = [cast(Block, block).feed_forward for block in self.blocks]
        routers = [layer.router for layer in layers if layer.router and layer.embedding_size]
        if embedding is None or not routers:
            return [None] * len(layers)
        logits = iter(embedding_logits(routers, embedding, padding_of(mask)))
        return [next(logits) if layer.router else None for layer in layers]

    @property
    @abstractmethod
    def subsampling(self) -> int:
        """Input frames per output frame."""

    @abstractmethod
    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Frames that come out of `lengths` frames (B,); 0 where an utterance is too short."""

    @abstractmethod
    def forward(
        self, x: Tensor, lengths: Tensor, embedding: Tensor | None
    ) -> tuple[Tensor, Tensor, list[Routing]]:
        """Encode.

        Args:
            x: Features (B, T, F).
            lengths: Valid frames (B,).
            embedding: What the routers see of the embedding network (B, T', De), or None.

        Returns:
            Output (B, T', D), its lengths (B,) and the routing of each MoE layer.
        """
