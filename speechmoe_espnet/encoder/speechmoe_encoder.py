"""`encoder: speechmoe`, the encoder of the SpeechMoE paper."""

from collections.abc import Sequence
from typing import Any

from speechmoe_espnet.encoder.base import AbsSpeechMoEEncoder
from speechmoe_espnet.encoder.dfsmn import DFSMNBackbone, DFSMNOptions, MemoryOptions
from speechmoe_espnet.encoder.options import MoEOptions, check_moe_blocks, from_conf
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
        deltas: Compute deltas and delta-deltas here (false where extraction did).
        stack: Frames stacked into one.
        subsampling: Input frames per output frame.
        num_experts: E; 1 is the static twin: same embedding network, one FFN, no router.
        moe_blocks: Numbers, from 1, of the blocks with experts; the others have one static
            feed-forward layer. None for all.
        top_k: Experts per frame.
        router: "speechmoe" or "switch" (sees the layer's input alone).
        router_scale: "paper" or "straight_through", see MoEFeedForward.
        expert_backend: "auto", "fused", "grouped_mm" or "loop", see moe.Experts.
        routing_warmup: What routers do at first, "top_2" or "soft", see MoEFeedForward.
        routing_warmup_steps: Training forwards (batches) until warm-up ends; 0 for none.
        router_noise: Width of the noise on routers in training, see moe.Router; 0 for none.
        router_noise_type: "gaussian" (on logits) or "jitter" (on the router's input).
        expert_dropout_rate: Dropout inside experts, where there are several; None for
            dropout_rate.
        use_embedding: Whether there is an embedding network.
        activation_checkpointing: Whether training keeps only the blocks' inputs and computes
            the rest again in the backward pass: less memory, about a third more computation.
        embedding_conf: Its size: the keys of DFSMNOptions, with `memory_conf` for the memory.
            By default 3 blocks, as wide as the encoder, without self-attention.

    Raises:
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
        deltas: bool = True,
        stack: int = 8,
        subsampling: int = 3,
        num_experts: int = 4,
        moe_blocks: Sequence[int] | None = None,
        top_k: int = 1,
        router: str = "speechmoe",
        router_scale: str = "paper",
        expert_backend: str = "auto",
        routing_warmup: str = "top_2",
        routing_warmup_steps: int = 0,
        router_noise: float = 0.0,
        router_noise_type: str = "gaussian",
        expert_dropout_rate: float | None = None,
        use_embedding: bool = True,
        activation_checkpointing: bool = False,
        embedding_conf: dict[str, Any] | None = None,
    ) -> None:
        options = DFSMNOptions(
            output_size,
            linear_units,
            num_blocks,
            attention_every,
            attention_heads,
            dropout_rate,
            attention_dropout_rate,
            activation_type,
            from_conf(MemoryOptions, memory_conf, "memory_conf"),
        )
        features = StackedFeatures(input_size, deltas, stack, subsampling)
        embedding, embedding_size = None, 0
        if use_embedding:
            small = _embedding_options(options, embedding_conf)
            embedding = DFSMNBackbone(
                features.output_size(), small, MoEOptions(), activation_checkpointing
            )
            embedding_size = small.output_size
        check_moe_blocks(moe_blocks, num_blocks)
        moe = MoEOptions(
            num_experts,
            embedding_size,
            top_k,
            router,
            router_scale,
            expert_backend,
            routing_warmup,
            routing_warmup_steps,
            router_noise,
            router_noise_type,
            expert_dropout_rate,
            moe_blocks,
        )
        backbone = DFSMNBackbone(features.output_size(), options, moe, activation_checkpointing)
        super().__init__(features, embedding, backbone, output_size, embedding_size)


def _embedding_options(encoder: DFSMNOptions, conf: dict[str, Any] | None) -> DFSMNOptions:
    keys: dict[str, Any] = {
        "output_size": encoder.output_size,
        "linear_units": encoder.linear_units,
        "num_blocks": 3,
        "attention_every": 0,
        "dropout_rate": encoder.dropout_rate,
        "activation_type": encoder.activation_type,
    }
    keys.update(conf or {})
    memory = from_conf(MemoryOptions, keys.pop("memory_conf", None), "embedding_conf: memory_conf")
    if "memory" in keys:
        raise ValueError("embedding_conf: unknown key 'memory'; use memory_conf")
    return from_conf(DFSMNOptions, {**keys, "memory": memory}, "embedding_conf")
