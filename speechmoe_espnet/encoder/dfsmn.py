"""DFSMN backbone of the paper: feed-forward, sequential memory and some self-attention layers."""

from dataclasses import asdict, dataclass

from espnet2.legacy.nets.pytorch_backend.transformer.attention import MultiHeadedAttention
from torch import Tensor, nn

from speechmoe_espnet.encoder.backbone import Backbone, Block
from speechmoe_espnet.encoder.options import check_attention_heads, check_sizes
from speechmoe_espnet.encoder.output import valid_frames
from speechmoe_espnet.encoder.sequential_memory import SequentialMemory
from speechmoe_espnet.moe import MoEFeedForward, MoEOptions, Routing
from speechmoe_espnet.moe.routing_options import DENSE


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

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.attention_every:
            check_attention_heads(self.output_size, self.attention_heads)


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
            self.attention = MultiHeadedAttention(
                options.attention_heads, size, options.attention_dropout_rate, use_sdpa=True
            )

    def forward(
        self, x: Tensor, mask: Tensor, embedding_logits: Tensor | None
    ) -> tuple[Tensor, Routing]:
        """(B, T, D) to (B, T, D) and the routing of the feed-forward layer."""
        out, routing = self.feed_forward(
            self.norm_feed_forward(x), mask, embedding_logits=embedding_logits
        )
        x = x + self.dropout(out)
        x = x + self.dropout(self.memory(self.norm_memory(x), mask))
        if self.attention is not None:
            y = self.norm_attention(x)
            x = x + self.dropout(self.attention(y, y, y, mask.unsqueeze(1)))
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
        super().__init__(blocks, activation_checkpointing)
        self.input_layer = nn.Sequential(
            nn.Linear(input_size, options.output_size),
            nn.LayerNorm(options.output_size),
            nn.Dropout(options.dropout_rate),
        )
        self.after_norm = nn.LayerNorm(options.output_size)

    @property
    def subsampling(self) -> int:
        """One: frames stay as they are."""
        return 1

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Frames stay as they are."""
        return lengths

    def forward(
        self, x: Tensor, lengths: Tensor, embedding: Tensor | None
    ) -> tuple[Tensor, Tensor, list[Routing]]:
        """(B, T', F), (B,), (B, T', De) to (B, T', D), (B,) and the routing of each MoE layer."""
        mask = valid_frames(lengths, x.size(1))
        x, routing = self.run_blocks(self.input_layer(x), mask, embedding)
        return self.after_norm(x), lengths, routing
