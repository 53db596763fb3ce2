"""`encoder: speechmoe`, the encoder of the SpeechMoE paper."""

from collections.abc import Sequence
from typing import Any

from speechmoe_espnet.encoder.base import AbsSpeechMoEEncoder
from speechmoe_espnet.encoder.dfsmn import STACKED, DFSMNBackbone, DFSMNOptions, MemoryOptions
from speechmoe_espnet.encoder.input_layers import check_same_input
from speechmoe_espnet.encoder.options import check_interctc, from_conf, read_moe_conf
from speechmoe_espnet.encoder.stacking import StackedFeatures


class SpeechMoEEncoder(AbsSpeechMoEEncoder):
    """MoE feed-forward and sequential memory layers, with self-attention after every n-th pair.

    SpeechMoE (arXiv 2105.03036), figure 2: 30 MoE, 30 memory and 3 self-attention layers, on
    stacked and subsampled fbank. Every sublayer has a pre-LayerNorm and a residual.

    Args:
        input_size: Features a frame.
        output_size: D.
        linear_units: H of each expert.
        num_blocks: Pairs of MoE and memory layer.
        attention_every: A self-attention layer after every n-th pair; 0 for none.
        attention_heads: Heads of these.
        dropout_rate: Dropout on sublayers and inside experts.
        attention_dropout_rate: Dropout on attention weights.
        activation_type: relu, swish or gelu.
        memory_conf: look_back, look_ahead, look_back_stride, look_ahead_stride.
        input_layer: stacked: deltas, stacked and subsampled frames, as in the paper. Or, as in
            ESPnet's Conformer, conv2d (1/4), conv2d1, conv2d2, conv2d6, conv2d8, linear (on every
            frame), embed (for discrete units), null (for features as wide as the encoder).
        deltas: With input_layer stacked: compute deltas and delta-deltas here (false where
            extraction did).
        stack: With input_layer stacked: frames stacked into one.
        subsampling: With input_layer stacked: input frames per output frame.
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
        embedding_conf: Sizes of the embedding network: the keys of DFSMNOptions, with
            `memory_conf` for the memory. By default 3 blocks, as wide as the encoder, without
            self-attention. The input layer must be the encoder's.
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
        linear_units: int = 1024,
        num_blocks: int = 30,
        attention_every: int = 10,
        attention_heads: int = 4,
        dropout_rate: float = 0.1,
        attention_dropout_rate: float = 0.0,
        activation_type: str = "relu",
        memory_conf: dict[str, Any] | None = None,
        input_layer: str | None = STACKED,
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
        options = DFSMNOptions(
            output_size=output_size,
            linear_units=linear_units,
            num_blocks=num_blocks,
            attention_every=attention_every,
            attention_heads=attention_heads,
            dropout_rate=dropout_rate,
            attention_dropout_rate=attention_dropout_rate,
            activation_type=activation_type,
            memory=from_conf(MemoryOptions, memory_conf, "memory_conf"),
            input_layer=input_layer,
            stochastic_depth_rate=stochastic_depth_rate,
        )
        interctc = check_interctc(interctc_layer_idx, num_blocks, interctc_use_conditioning)
        features, width = None, input_size
        if input_layer == STACKED:
            features = StackedFeatures(input_size, deltas, stack, subsampling)
            width = features.output_size()
        embedding, embedding_size = None, 0
        if use_embedding:
            small = _embedding_options(options, embedding_conf)
            embedding = DFSMNBackbone(
                width, small, activation_checkpointing=activation_checkpointing
            )
            embedding_size = small.output_size
        backbone = DFSMNBackbone(width, options, moe, embedding_size, activation_checkpointing)
        super().__init__(
            features,
            embedding,
            backbone,
            output_size=output_size,
            embedding_size=embedding_size,
            interctc_layer_idx=interctc,
            interctc_use_conditioning=interctc_use_conditioning,
        )


def _embedding_options(encoder: DFSMNOptions, conf: dict[str, Any] | None) -> DFSMNOptions:
    keys: dict[str, Any] = {
        "output_size": encoder.output_size,
        "linear_units": encoder.linear_units,
        "num_blocks": 3,
        "attention_every": 0,
        "dropout_rate": encoder.dropout_rate,
        "activation_type": encoder.activation_type,
        "input_layer": encoder.input_layer,
    }
    keys.update(conf or {})
    memory = from_conf(MemoryOptions, keys.pop("memory_conf", None), "embedding_conf: memory_conf")
    if "memory" in keys:
        raise ValueError("embedding_conf: unknown key 'memory'; use memory_conf")
    options = from_conf(DFSMNOptions, {**keys, "memory": memory}, "embedding_conf")
    check_same_input(encoder.input_layer, options.input_layer)
    return options
