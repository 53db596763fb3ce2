"""Conformer blocks whose second feed-forward layer is a mixture of experts.

The blocks of 3M-ASR (arXiv 2204.03178), built on ESPnet's attention and convolution modules.
Padding does not change results: an utterance gives the same output in a batch and alone.
"""

from dataclasses import dataclass

import torch
from espnet2.legacy.nets.pytorch_backend.conformer.convolution import ConvolutionModule
from espnet2.legacy.nets.pytorch_backend.nets_utils import get_activation
from espnet2.legacy.nets.pytorch_backend.transformer.embedding import RelPositionalEncoding
from espnet2.legacy.nets.pytorch_backend.transformer.positionwise_feed_forward import (
    PositionwiseFeedForward,
)
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import (
    Conv2dSubsampling,
    Conv2dSubsampling6,
    Conv2dSubsampling8,
    TooShortUttError,
)
from torch import Tensor, nn

from speechmoe_espnet.encoder.backbone import Backbone, Block
from speechmoe_espnet.encoder.options import check_attention_heads, check_sizes
from speechmoe_espnet.encoder.output import valid_frames
from speechmoe_espnet.encoder.relative_attention import RelativeAttention
from speechmoe_espnet.moe import MoEFeedForward, MoEOptions, Routing
from speechmoe_espnet.moe.routing_options import DENSE

# (kernel, stride) of each convolution of ESPnet's subsampling modules.
CONV2D = {
    "conv2d": (Conv2dSubsampling, ((3, 2), (3, 2))),
    "conv2d6": (Conv2dSubsampling6, ((3, 2), (5, 3))),
    "conv2d8": (Conv2dSubsampling8, ((3, 2), (3, 2), (3, 2))),
}
INPUT_LAYERS = (*CONV2D, "linear")


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
        input_layer: conv2d, conv2d6, conv2d8, or linear (on stacked features).
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
    input_layer: str = "conv2d"

    def __post_init__(self) -> None:
        check_sizes(self)
        check_attention_heads(self.output_size, self.attention_heads)
        if self.cnn_module_kernel % 2 == 0:
            raise ValueError(f"cnn_module_kernel: {self.cnn_module_kernel} is not odd")
        if self.input_layer not in INPUT_LAYERS:
            raise ValueError(f"input_layer: {self.input_layer!r} is not one of {INPUT_LAYERS}")


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
        self.attention = RelativeAttention(
            options.attention_heads, size, options.attention_dropout_rate, False, True
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
        self, x: Tensor, mask: Tensor, embedding_logits: Tensor | None, pos_emb: Tensor
    ) -> tuple[Tensor, Routing]:
        """(B, T', D) to (B, T', D) and the routing of the MoE layer."""
        x = x + 0.5 * self.dropout(self.feed_forward_macaron(self.norm_macaron(x)))
        y = self.norm_attention(x)
        x = x + self.dropout(self.attention(y, y, y, pos_emb, mask.unsqueeze(1)))
        x = x + self.dropout(self.conv(self.norm_conv(x), mask.unsqueeze(1)))
        out, routing = self.feed_forward(
            self.norm_feed_forward(x), mask, embedding_logits=embedding_logits
        )
        x = x + 0.5 * self.dropout(out)
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
        super().__init__(blocks, activation_checkpointing)
        size = options.output_size
        positions = RelPositionalEncoding(size, options.positional_dropout_rate)
        if options.input_layer == "linear":
            self.strides: tuple[tuple[int, int], ...] = ()
            self.input_layer: nn.Module = nn.Sequential(
                nn.Linear(input_size, size),
                nn.LayerNorm(size),
                nn.Dropout(options.dropout_rate),
                positions,
            )
        else:
            subsampling_class, self.strides = CONV2D[options.input_layer]
            self.input_layer = subsampling_class(input_size, size, options.dropout_rate, positions)

    @property
    def subsampling(self) -> int:
        """Input frames per output frame."""
        product = 1
        for _, stride in self.strides:
            product *= stride
        return product

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Frames that come out of `lengths` frames (B,); 0 where an utterance is too short."""
        for kernel, stride in self.strides:
            lengths = ((lengths - kernel).div(stride, rounding_mode="floor") + 1).clamp(min=0)
        return lengths

    def forward(
        self, x: Tensor, lengths: Tensor, embedding: Tensor | None
    ) -> tuple[Tensor, Tensor, list[Routing]]:
        """(B, T, F), (B,), (B, T', De) to (B, T', D), (B,) and the routing of each MoE layer.

        Raises:
            TooShortUttError: Where an utterance (on a GPU: where every utterance) has no frame
                left after subsampling.
        """
        out_lengths = self.output_lengths(lengths)
        self._check_lengths(x, lengths)
        if self.strides:
            (x, pos_emb), _ = self.input_layer(x, None)
        else:
            x, pos_emb = self.input_layer(x)
        mask = valid_frames(out_lengths, x.size(1))
        x, routing = self.run_blocks(x, mask, embedding, pos_emb)
        return x, out_lengths, routing

    def _check_lengths(self, x: Tensor, lengths: Tensor) -> None:
        # An exported graph cannot look at lengths; its metadata holds the least number of frames.
        if not self.strides or torch.compiler.is_exporting():
            return
        # Reading lengths would wait for a GPU: there only the padded length is checked, as in
        # ESPnet. A shorter utterance then has the output length 0.
        shortest = int(lengths.min()) if lengths.device.type == "cpu" else x.size(1)
        least = self.least_frames()
        if shortest < least:
            raise TooShortUttError(
                f"has {shortest} frames and is too short for subsampling "
                f"(it needs at least {least} frames)",
                shortest,
                least,
            )

    def least_frames(self) -> int:
        """Input frames of the shortest utterance that leaves one frame."""
        frames = 1
        for kernel, stride in reversed(self.strides):
            frames = (frames - 1) * stride + kernel
        return frames
