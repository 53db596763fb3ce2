"""Conformer blocks whose second feed-forward layer is a mixture of experts.

The blocks of 3M-ASR (arXiv 2204.03178), built on ESPnet's attention and convolution modules.
Padding does not change results: an utterance gives the same output in a batch and alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from espnet2.legacy.nets.pytorch_backend.conformer.convolution import ConvolutionModule
from espnet2.legacy.nets.pytorch_backend.nets_utils import get_activation
from espnet2.legacy.nets.pytorch_backend.transformer.embedding import RelPositionalEncoding
from espnet2.legacy.nets.pytorch_backend.transformer.positionwise_feed_forward import (
    PositionwiseFeedForward,
)
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
from speechmoe_espnet.encoder.self_attention import RelativeSelfAttention
from speechmoe_espnet.moe import MoEFeedForward, MoEOptions, Routing
from speechmoe_espnet.moe.routing_options import DENSE

INPUT_LAYERS = (*CONV2D, LINEAR, EMBED, None)


@dataclass(frozen=True)
class ConformerOptions:
    """Size of a Conformer backbone, in ESPnet's words.

    Attributes:
        output_size: D.
        attention_heads: Heads.
        linear_units: H of the feed-forward layers (of each expert).
        num_blocks: Blocks.
        dropout_rate: Dropout on sublayers and inside feed-forward layers.
        positional_dropout_rate: Dropout after the positional encoding.
        attention_dropout_rate: Dropout on attention weights.
        activation_type: Activation of feed-forward and convolution modules.
        cnn_module_kernel: Kernel of the convolution module, odd.
        input_layer: A key of CONV2D, linear (on stacked features), embed, or None.
        stochastic_depth_rate: How often training leaves a block out: of all, or of each block.
    """

    output_size: int = 256
    attention_heads: int = 4
    linear_units: int = 1024
    num_blocks: int = 12
    dropout_rate: float = 0.1
    positional_dropout_rate: float = 0.1
    attention_dropout_rate: float = 0.0
    activation_type: str = "swish"
    cnn_module_kernel: int = 15
    input_layer: str | None = "conv2d"
    stochastic_depth_rate: float | Sequence[float] = 0.0

    def __post_init__(self) -> None:
        check_sizes(self)
        check_attention_heads(self.output_size, self.attention_heads)
        if self.cnn_module_kernel % 2 == 0:
            raise ValueError(f"cnn_module_kernel: {self.cnn_module_kernel} is not odd")
        check_input_layer(self.input_layer, INPUT_LAYERS)
        block_rates(self.stochastic_depth_rate, self.num_blocks)


class ConformerMoEBlock(Block):
    """Half FFN, self-attention, convolution, half MoE FFN, LayerNorm; pre-LayerNorm inside."""

    def __init__(self, options: ConformerOptions, moe: MoEOptions, embedding_size: int) -> None:
        super().__init__()
        size = options.output_size
        activation = get_activation(options.activation_type)
        self.norm_macaron = nn.LayerNorm(size)
        self.feed_forward_macaron = PositionwiseFeedForward(
            size, options.linear_units, options.dropout_rate, activation
        )
        self.norm_attention = nn.LayerNorm(size)
        self.attention = RelativeSelfAttention(
            options.attention_heads, size, options.attention_dropout_rate
        )
        self.norm_conv = nn.LayerNorm(size)
        self.conv = ConvolutionModule(size, options.cnn_module_kernel, activation)
        # Batch statistics would count padding and depend on the batch.
        self.conv.norm = _ChannelLayerNorm(size)
        self.norm_feed_forward = nn.LayerNorm(size)
        self.feed_forward = MoEFeedForward.from_options(
            size,
            options.linear_units,
            moe,
            embedding_size=embedding_size,
            activation=options.activation_type,
            dropout_rate=options.dropout_rate,
        )
        self.norm_final = nn.LayerNorm(size)
        self.dropout = nn.Dropout(options.dropout_rate)

    def forward(
        self,
        x: Tensor,
        mask: Tensor,
        embedding_logits: Tensor | None,
        pos_emb: Tensor,
        residual_scale: float = 1.0,
    ) -> tuple[Tensor, Routing]:
        """(B, T', D) to (B, T', D) and the routing of the MoE layer."""
        half = 0.5 * residual_scale
        x = x + half * self.dropout(self.feed_forward_macaron(self.norm_macaron(x)))
        y = self.norm_attention(x)
        y = self.dropout(self.attention(y, y, y, pos_emb, mask.unsqueeze(1)))
        x = x + scaled(y, residual_scale)
        y = self.dropout(self.conv(self.norm_conv(x), mask.unsqueeze(1)))
        x = x + scaled(y, residual_scale)
        out, routing = self.feed_forward(
            self.norm_feed_forward(x), mask, embedding_logits=embedding_logits
        )
        x = x + half * self.dropout(out)
        return self.norm_final(x), routing


class _ChannelLayerNorm(nn.LayerNorm):
    """LayerNorm over the channels of (B, D, T)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class ConformerBackbone(Backbone):
    """Subsampling, relative positions and Conformer blocks.

    Args:
        input_size: Features a frame (or the width of stacked features).
        options: Sizes.
        moe: Routing of the blocks' second feed-forward layers.
        embedding_size: Width of the shared embedding that the routers see; 0 for none.
        activation_checkpointing: See Backbone.
    """

    def __init__(
        self,
        input_size: int,
        options: ConformerOptions,
        moe: MoEOptions = DENSE,
        embedding_size: int = 0,
        activation_checkpointing: bool = False,
    ) -> None:
        numbers = range(1, options.num_blocks + 1)
        blocks = [
            ConformerMoEBlock(options, moe.of_block(number), embedding_size) for number in numbers
        ]
        super().__init__(
            blocks,
            block_rates(options.stochastic_depth_rate, options.num_blocks),
            InputLayer(options.input_layer, input_size, options.output_size),
            activation_checkpointing,
        )
        positions = RelPositionalEncoding(options.output_size, options.positional_dropout_rate)
        self.input_layer = self.layer.module(options.dropout_rate, positions)

    def normalize(self, x: Tensor) -> Tensor:
        """A block ends with a normalisation."""
        return x

    def forward(
        self, x: Tensor, lengths: Tensor, embedding: Tensor | None, taps: Taps = NO_TAPS
    ) -> BackboneOutput:
        """(B, T, F), (B,), (B, T', De) to (B, T', D), (B,) and the routing of each MoE layer.

        Raises:
            TooShortUttError: Where an utterance (on a GPU: where every utterance) has no frame
                left after subsampling.
        """
        out_lengths = self.output_lengths(lengths)
        self.layer.check_lengths(x, lengths)
        x, pos_emb = self.layer.run(self.input_layer, x)
        mask = valid_frames(out_lengths, x.size(1))
        x, routing, kept = self.run_blocks(x, mask, embedding, taps, pos_emb)
        return BackboneOutput(x, out_lengths, routing, kept)
