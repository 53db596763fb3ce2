"""Backbones: stacks of blocks from features to encoder frames and routing."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from speechmoe_espnet.encoder.input_layers import InputLayer
from speechmoe_espnet.moe import MoEFeedForward, Routing, embedding_logits
from speechmoe_espnet.moe.layer import padding_of


class Block(nn.Module):
    """Block of a backbone, with one feed-forward layer that may be a mixture of experts.

    It is called as (x, mask, embedding_logits, *context, residual_scale=1.0).
    """

    feed_forward: MoEFeedForward


def scaled(branch: Tensor, scale: float) -> Tensor:
    """A residual branch times `scale`; itself where that is 1, as without stochastic depth."""
    return branch if scale == 1.0 else scale * branch


class Taps(NamedTuple):
    """What a caller wants of the blocks on the way.

    Attributes:
        numbers: Blocks, counted from 1, whose output is kept.
        normalized: Whether these outputs are normalised as the last one is.
        condition: Given the normalised output of a block in `condition_on` (B, T', D), returns
            what is added to the input of the next block (B, T', D).
        condition_on: Blocks that `condition` is for.
        max_layer: Blocks that run; None for all.
    """

    numbers: Sequence[int] = ()
    normalized: bool = True
    condition: Callable[[Tensor], Tensor] | None = None
    condition_on: Sequence[int] = ()
    max_layer: int | None = None


NO_TAPS = Taps()


class BackboneOutput(NamedTuple):
    """Output of a backbone.

    Attributes:
        out: (B, T', D).
        lengths: Valid frames (B,).
        routing: Routing of each MoE layer that ran.
        taps: Outputs of the blocks that the caller asked for (B, T', D), in their order.
    """

    out: Tensor
    lengths: Tensor
    routing: list[Routing]
    taps: list[Tensor]


class Backbone(nn.Module):
    """Stack of blocks: the embedding network and the main network are one each.

    Args:
        blocks: The blocks.
        stochastic_depth: For each block, how often training leaves it out; see `block_rates`.
        layer: The input layer.
        activation_checkpointing: Whether training keeps only the blocks' inputs and computes
            everything else again in the backward pass.

    Raises:
        ValueError: Where blocks with experts divided among processes may be left out.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        stochastic_depth: Sequence[float],
        layer: InputLayer,
        activation_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if any(stochastic_depth) and any(b.feed_forward.experts.parallel for b in blocks):
            raise ValueError(
                "stochastic_depth_rate: with moe_conf: expert_parallel: true every process must "
                "run every block; set one of them to 0.0 or false"
            )
        self.blocks = nn.ModuleList(blocks)
        self.stochastic_depth = tuple(stochastic_depth)
        self.layer = layer
        self.activation_checkpointing = activation_checkpointing

    def run_blocks(
        self, x: Tensor, mask: Tensor, embedding: Tensor | None, taps: Taps, *context: Any
    ) -> tuple[Tensor, list[Routing], list[Tensor]]:
        """Run the blocks one after the other.

        Args:
            x: (B, T', D).
            mask: Valid frames (B, T'), bool.
            embedding: Detached output of the embedding network (B, T', De), or None.
            taps: What to keep and to add on the way.
            context: Further arguments of every block, after the embedding's logits.

        Returns:
            (B, T', D), the routing of each block that has experts and ran, and the outputs that
            `taps` asks for.
        """
        routing, kept = [], []
        embedding_part = self._embedding_logits(embedding, mask)
        for number, block in enumerate(self.blocks, start=1):
            if taps.max_layer is not None and number > taps.max_layer:
                break
            scale = self._residual_scale(number)
            if scale:
                arguments = (x, mask, embedding_part[number - 1], *context)
                x, decision = self._run(block, arguments, scale)
                if cast(Block, block).feed_forward.router is not None:
                    routing.append(decision)
            if number in taps.numbers:
                kept.append(self.normalize(x) if taps.normalized else x)
            if taps.condition is not None and number in taps.condition_on:
                x = x + taps.condition(self.normalize(x))
        return x, routing, kept

    def _run(
        self, block: nn.Module, arguments: tuple[Any, ...], scale: float
    ) -> tuple[Tensor, Routing]:
        call: Callable[..., tuple[Tensor, Routing]] = block
        if scale != 1.0:
            call = partial(block, residual_scale=scale)
        if self.activation_checkpointing and torch.is_grad_enabled():
            return checkpoint(call, *arguments, use_reentrant=False)
        return call(*arguments)

    def _residual_scale(self, number: int) -> float:
        """What a block's residual branches are multiplied by; 0 where it is left out."""
        rate = self.stochastic_depth[number - 1]
        if not (self.training and rate):
            return 1.0
        return 0.0 if torch.rand(()).item() < rate else 1.0 / (1.0 - rate)

    def _embedding_logits(self, embedding: Tensor | None, mask: Tensor) -> Sequence[Tensor | None]:
        """The embedding's part of each block's router logits, all from one product."""
        layers = [cast(Block, block).feed_forward for block in self.blocks]
        routers = [layer.router for layer in layers if layer.router and layer.embedding_size]
        if embedding is None or not routers:
            return [None] * len(layers)
        logits = iter(embedding_logits(routers, embedding, padding_of(mask)))
        return [next(logits) if layer.router else None for layer in layers]

    @property
    def subsampling(self) -> int:
        """Input frames per output frame."""
        return self.layer.subsampling

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Frames that come out of `lengths` frames (B,); 0 where an utterance is too short."""
        return self.layer.output_lengths(lengths)

    @abstractmethod
    def normalize(self, x: Tensor) -> Tensor:
        """Normalise the output of a block (B, T', D) as that of the last one is."""

    @abstractmethod
    def forward(
        self, x: Tensor, lengths: Tensor, embedding: Tensor | None, taps: Taps = NO_TAPS
    ) -> BackboneOutput:
        """Encode.

        Args:
            x: Features (B, T, F).
            lengths: Valid frames (B,).
            embedding: What the routers see of the embedding network (B, T', De), or None.
            taps: What to keep and to add on the way.

        Raises:
            TooShortUttError: Where an utterance (on a GPU: where every utterance) has no frame
                left after subsampling.
        """
