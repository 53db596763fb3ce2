"""The weights of feed-forward layers, as the nodes that stand for them name them."""

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
    """relu, swish or gelu, of a name, a module or a function; "" for one not known here."""
    if not isinstance(activation, str):
        activation = getattr(activation, "__name__", type(activation).__name__)
    return _ACTIVATIONS.get(activation, "")


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
            stacked = (experts.w1, experts.b1, experts.w2, experts.b2)
            activation = activation_name(experts.activation)
            found[name] = FeedForwardWeights(*map(_array, stacked), activation)
        elif isinstance(module, PositionwiseFeedForward) and activation_name(module.activation):
            one, two = module.w_1, module.w_2
            linear = (one.weight.t(), one.bias, two.weight.t(), two.bias)
            stacked = tuple(tensor.unsqueeze(0) for tensor in linear)
            activation = activation_name(module.activation)
            found[name] = FeedForwardWeights(*map(_array, stacked), activation)
    return found


def _array(tensor: Tensor) -> Array:
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy())
