"""DFSMN backbone of the paper: feed-forward, sequential memory and some self-attention layers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from torch import Tensor, nn

from speechmoe_espnet.encoder.backbone import NO_TAPS, Backbone, BackboneOutput, Block, Taps, scaled
from speechmoe_espnet.encoder.input_layers import (
    CONV2D,
    EMBED,
    LINEAR,
    InputLayer,
    check_input_layer,
)
from speechmoe_espnet.encoder.options import block_rates, check_attention_heads, check_sizes
from speechmoe_espnet.encoder.output import valid_frames
from speechmoe_espnet.encoder.self_attention import SelfAttention
from speechmoe_espnet.encoder.sequential_memory import SequentialMemory
from speechmoe_espnet.moe import MoEFeedForward, MoEOptions, Routing
from speechmoe_espnet.moe.routing_options import DENSE

STACKED = "stacked"
INPUT_LAYERS = (STACKED, *CONV2D, LINEAR, EMBED, None)


@dataclass(frozen=True)
class MemoryOptions:
    """Orders and strides of the memory layers, see SequentialMemory."""

    look_back: int = 10
    look_ahead: int = 10
    look_back_stride: int = 1
    look_ahead_stride: int = 1

    def __post_init__(self) -> None:
        check_sizes(self)


@dataclass(frozen=True)
class DFSMNOptions:
    """Size of a DFSMN backbone.

    Attributes:
        output_size: D.
        linear_units: H of the feed-forward layers (of each expert).
        num_blocks: Pairs of feed-forward and memory layer.
        attention_every: A self-attention layer after every n-th pair; 0 for none.
        attention_heads: Heads of these.
        dropout_rate: Dropout on the output of every sublayer and inside the experts.
        attention_dropout_rate: Dropout on attention weights.
        activation_type: relu, swish or gelu.
        memory: Orders and strides of the memory layers.
        input_layer: stacked (a linear layer on stacked features), a key of CONV2D, linear, embed,
            or None.
        stochastic_depth_rate: How often training leaves a block out: of all, or of each block.
    """

    output_size: int = 256
    linear_units: int = 1024
    num_blocks: int = 30
    attention_every: int = 10
    attention_heads: int = 4
    dropout_rate: float = 0.1
    attention_dropout_rate: float = 0.0
    activation_type: str = "relu"
    memory: MemoryOptions = MemoryOptions()
    input_layer: str | None = STACKED
    stochastic_depth_rate: float | Sequence[float] = 0.0

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.attention_every:
            check_attention_heads(self.output_size, self.attention_heads)
        check_input_layer(self.input_layer, INPUT_LAYERS)
        block_rates(self.stochastic_depth_rate, self.num_blocks)


class DFSMNBlock(Block):
    """x + FFN(LN(x)), then x + memory(LN(x)), then x + attention(LN(x)) in some blocks."""

    def __init__(
        self, options: DFSMNOptions, moe: MoEOptions, embedding_size: int, attention: bool
    ) -> None:
        super().__init__()
        size = options.output_size
        self.norm_feed_forward = nn.LayerNorm(size)
        self.feed_forward = MoEFeedForward.from_options(
            size,
            options.linear_units,
            moe,
            embedding_size=embedding_size,
            activation=options.activation_type,
            dropout_rate=options.dropout_rate,
        )
        self.norm_memory = nn.LayerNorm(size)
        self.memory = SequentialMemory(size, **asdict(options.memory))
        self.dropout = nn.Dropout(options.dropout_rate)
        self.attention = None
        if attention:
            self.norm_attention = nn.LayerNorm(size)
            self.attention = SelfAttention(
                options.attention_heads, size, options.attention_dropout_rate
            )

    def forward(
        self,
        x: Tensor,
        mask: Tensor,
        embedding_logits: Tensor | None,
        residual_scale: float = 1.0,
    ) -> tuple[Tensor, Routing]:
        """(B, T, D) to (B, T, D) and the routing of the feed-forward layer."""
        out, routing = self.feed_forward(
            self.norm_feed_forward(x), mask, embedding_logits=embedding_logits
        )
        x = x + scaled(self.dropout(out), residual_scale)
        y = self.dropout(self.memory(self.norm_memory(x), mask))
        x = x + scaled(y, residual_scale)
        if self.attention is not None:
            y = self.norm_attention(x)
            y = self.dropout(self.attention(y, y, y, mask.unsqueeze(1)))
            x = x + scaled(y, residual_scale)
        return x, routing


class DFSMNBackbone(Backbone):
    """Input projection, blocks and a final LayerNorm.

    Args:
        input_size: Width of the stacked features.
        options: Sizes.
        moe: Routing of the feed-forward layers.
        embedding_size: Width of the shared embedding that the routers see; 0 for none.
        activation_checkpointing: See Backbone.
    """

    def __init__(
        self,
        input_size: int,
        options: DFSMNOptions,
        moe: MoEOptions = DENSE,
        embedding_size: int = 0,
        activation_checkpointing: bool = False,
    ) -> None:
        every = options.attention_every
        blocks = [
            DFSMNBlock(
                options,
                moe.of_block(number),
                embedding_size,
                attention=every > 0 and number % every == 0,
            )
            for number in range(1, options.num_blocks + 1)
        ]
        layer = LINEAR if options.input_layer == STACKED else options.input_layer
        super().__init__(
            blocks,
            block_rates(options.stochastic_depth_rate, options.num_blocks),
            InputLayer(layer, input_size, options.output_size),
            activation_checkpointing,
        )
        self.input_layer = self.layer.module(options.dropout_rate)
        self.after_norm = nn.LayerNorm(options.output_size)

    def normalize(self, x: Tensor) -> Tensor:
        """The final LayerNorm."""
        out: Tensor = self.after_norm(x)
        return out

    def forward(
        self, x: Tensor, lengths: Tensor, embedding: Tensor | None, taps: Taps = NO_TAPS
    ) -> BackboneOutput:
        """(B, T', F), (B,), (B, T', De) to (B, T', D), (B,) and the routing of each MoE layer.

        Raises:
            TooShortUttError: Where an utterance (on a GPU: where every utterance) has no frame
                left after subsampling.
        """
        out_lengths = self.output_lengths(lengths)
        self.layer.check_lengths(x, lengths)
        x = self.layer.run(self.input_layer, x)
        mask = valid_frames(out_lengths, x.size(1))
        x, routing, kept = self.run_blocks(x, mask, embedding, taps)
        return BackboneOutput(self.after_norm(x), out_lengths, routing, kept)
