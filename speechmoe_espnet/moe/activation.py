"""Activations of experts, with the in-place forms that the fused backend uses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_aten = torch.ops.aten


@dataclass(frozen=True)
class Activation:
    """An element-wise function and its derivative.

    Attributes:
        function: The function, for autograd.
        into: (x, out): writes the function of x into out, which may be x.
        gradient_into: (grad, saved): multiplies grad by the derivative, in place. `saved` is x,
            or the function's value where `from_output`.
        from_output: Whether the derivative is computed from the function's value.
    """

    function: Callable[[Tensor], Tensor]
    into: Callable[[Tensor, Tensor], object]
    gradient_into: Callable[[Tensor, Tensor], object]
    from_output: bool = False


ACTIVATIONS: Mapping[str, Activation] = {
    "relu": Activation(
        F.relu,
        lambda x, out: torch.clamp_min(x, 0.0, out=out),
        lambda grad, value: _aten.threshold_backward.grad_input(grad, value, 0, grad_input=grad),
        from_output=True,
    ),
    "swish": Activation(
        F.silu,
        lambda x, out: _aten.silu.out(x, out=out),
        lambda grad, x: _aten.silu_backward.grad_input(grad, x, grad_input=grad),
    ),
    "gelu": Activation(
        F.gelu,
        lambda x, out: _aten.gelu.out(x, out=out),
        lambda grad, x: _aten.gelu_backward.grad_input(grad, x, grad_input=grad),
    ),
}
