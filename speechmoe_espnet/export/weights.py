"""Weights of feed-forward layers, by the names that the opaque nodes use."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from espnet2.legacy.nets.pytorch_backend.transformer.positionwise_feed_forward import (
    PositionwiseFeedForward,
)
from numpy.typing import NDArray
from torch import Tensor, nn

from speechmoe_espnet.moe import MoEFeedForward

DOMAIN = "speechmoe"
EXPERTS = "Experts"
FEED_FORWARD = "FeedForward"
_ACTIVATIONS: Mapping[str, str] = {
    "relu": "relu",
    "ReLU": "relu",
    "swish": "swish",
    "silu": "swish",
    "Swish": "swish",
    "SiLU": "swish",
    "gelu": "gelu",
    "GELU": "gelu",
}

Array = NDArray[np.float32]


@dataclass(frozen=True)
class FeedForwardWeights:
    """y = act(x w1 + b1) w2 + b2 for each of E experts.

    Attributes:
        w1: (E, D, H), b1: (E, H), w2: (E, H, D), b2: (E, D).
        activation: relu, swish or gelu.
    """

    w1: Array
    b1: Array
    w2: Array
    b2: Array
    activation: str

    @property
    def num_experts(self) -> int:
        """E."""
        return len(self.w1)

    @property
    def width(self) -> int:
        """D."""
        return int(self.w1.shape[1])


def activation_name(activation: object) -> str:
    """Name of an activation (a name, module or function): relu, swish or gelu; "" if unknown."""
    if not isinstance(activation, str):
        activation = getattr(activation, "__name__", type(activation).__name__)
    return _ACTIVATIONS.get(str(activation), "")


def feed_forward_weights(model: nn.Module) -> dict[str, FeedForwardWeights]:
    """Collect the feed-forward layers of a model by their path in it.

    Args:
        model: Any module.

    Returns:
        Weights of each MoEFeedForward and of each of ESPnet's position-wise layers.
    """
    found = {}
    for name, module in model.named_modules():
        if isinstance(module, MoEFeedForward):
            experts = module.experts
            found[name] = FeedForwardWeights(
                _array(experts.w1),
                _array(experts.b1),
                _array(experts.w2),
                _array(experts.b2),
                activation_name(experts.activation),
            )
        elif isinstance(module, PositionwiseFeedForward) and activation_name(module.activation):
            found[name] = FeedForwardWeights(
                _array(module.w_1.weight.t())[None],
                _array(module.w_1.bias)[None],
                _array(module.w_2.weight.t())[None],
                _array(module.w_2.bias)[None],
                activation_name(module.activation),
            )
    return found


def _array(tensor: Tensor) -> Array:
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy())
