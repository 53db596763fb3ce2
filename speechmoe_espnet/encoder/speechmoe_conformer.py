"""`encoder: speechmoe_conformer`, the Conformer-MoE of 3M-ASR."""

from collections.abc import Sequence
from typing import Any

from speechmoe_espnet.encoder.base import AbsSpeechMoEEncoder
from speechmoe_espnet.encoder.conformer import ConformerBackbone, ConformerOptions
from speechmoe_espnet.encoder.input_layers import LINEAR, check_same_input
from speechmoe_espnet.encoder.options import check_interctc, from_conf, read_moe_conf
from speechmoe_espnet.encoder.stacking import StackedFeatures


class SpeechMoEConformerEncoder(AbsSpeechMoEEncoder):
    """Conformer in which experts replace the second feed-forward layer of each block.

    3M-ASR (arXiv 2204.03178), section 2, with the embedding network of SpeechMoE as another,
    smaller Conformer on the same input.

    Args:
        input_size: Features a frame.
        output_size: D.
        attention_heads: Heads.
        linear_units: H of the feed-forward layers and of each expert.
        num_blocks: Blocks.
        dropout_rate: Dropout on sublayers and inside feed-forward layers.
        positional_dropout_rate: Dropout after the positional encoding.
        attention_dropout_rate: Dropout on attention weights.
        activation_type: swish, relu or gelu.
        cnn_module_kernel: Kernel of the convolution module, odd.
        input_layer: conv2d (1/4), conv2d1, conv2d2, conv2d6, conv2d8; linear on stacked features;
            embed, for discrete units; null, for features as wide as the encoder.
        deltas: With input_layer linear: compute deltas and delta-deltas here.
        stack: With input_layer linear: frames stacked into one.
        subsampling: With input_layer linear: input frames per output frame.
        moe_conf: Routing: the keys of MoEOptions. `num_experts: 1` is the dense baseline: same
            embedding network, one feed-forward network a block, no router.
        use_embedding: Whether there is an embedding network.
        activation_checkpointing: Whether training keeps only the blocks' inputs and computes
            the rest again in the backward pass: less memory, about a third more computation.
        interctc_layer_idx: Blocks, counted from 1 and below the last, whose output has a CTC loss
            of its own (model_conf: interctc_weight).
        interctc_use_conditioning: Whether the posteriors of these blocks are added to the input of
            the next one: self-conditioned CTC (arXiv 2104.02724).
        stochastic_depth_rate: How often training leaves a block out (arXiv 1603.09382): of all
            blocks, or a list of one rate a block.
        embedding_conf: Sizes of the embedding network: the keys of ConformerOptions. By
            default those of the encoder, with half its blocks. The input layer must be the
            encoder's.
        flat_moe: Keys of moe_conf outside it, as older configurations write them; a warning
            shows the moe_conf to write.

    Raises:
        TypeError: Where an argument is unknown.
        ValueError: Where an option is unknown or out of range.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int = 256,
        attention_heads: int = 4,
        linear_units: int = 1024,
        num_blocks: int = 12,
        dropout_rate: float = 0.1,
        positional_dropout_rate: float = 0.1,
        attention_dropout_rate: float = 0.0,
        activation_type: str = "swish",
        cnn_module_kernel: int = 15,
        input_layer: str | None = "conv2d",
        deltas: bool = True,
        stack: int = 8,
        subsampling: int = 3,
        moe_conf: dict[str, Any] | None = None,
        use_embedding: bool = True,
        activation_checkpointing: bool = False,
        interctc_layer_idx: Sequence[int] = (),
        interctc_use_conditioning: bool = False,
        stochastic_depth_rate: float | Sequence[float] = 0.0,
        embedding_conf: dict[str, Any] | None = None,
        **flat_moe: Any,
    ) -> None:
        moe = read_moe_conf(type(self), moe_conf, flat_moe, num_blocks)
        options = ConformerOptions(
            output_size=output_size,
            attention_heads=attention_heads,
            linear_units=linear_units,
            num_blocks=num_blocks,
            dropout_rate=dropout_rate,
            positional_dropout_rate=positional_dropout_rate,
            attention_dropout_rate=attention_dropout_rate,
            activation_type=activation_type,
            cnn_module_kernel=cnn_module_kernel,
            input_layer=input_layer,
            stochastic_depth_rate=stochastic_depth_rate,
        )
        interctc = check_interctc(interctc_layer_idx, num_blocks, interctc_use_conditioning)
        features, width = None, input_size
        if input_layer == LINEAR:
            features = StackedFeatures(input_size, deltas, stack, subsampling)
            width = features.output_size()
        embedding, embedding_size = None, 0
        if use_embedding:
            small = _embedding_options(options, embedding_conf)
            embedding = ConformerBackbone(
                width, small, activation_checkpointing=activation_checkpointing
            )
            embedding_size = small.output_size
        backbone = ConformerBackbone(width, options, moe, embedding_size, activation_checkpointing)
        super().__init__(
            features,
            embedding,
            backbone,
            output_size=output_size,
            embedding_size=embedding_size,
            interctc_layer_idx=interctc,
            interctc_use_conditioning=interctc_use_conditioning,
        )


def _embedding_options(encoder: ConformerOptions, conf: dict[str, Any] | None) -> ConformerOptions:
    keys = {
        "output_size": encoder.output_size,
        "attention_heads": encoder.attention_heads,
        "linear_units": encoder.linear_units,
        "num_blocks": max(1, encoder.num_blocks // 2),
        "dropout_rate": encoder.dropout_rate,
        "activation_type": encoder.activation_type,
        "cnn_module_kernel": encoder.cnn_module_kernel,
        "input_layer": encoder.input_layer,
        **(conf or {}),
    }
    options = from_conf(ConformerOptions, keys, "embedding_conf")
    check_same_input(encoder.input_layer, options.input_layer)
    return options
