"""Feed-forward experts with three ways to run them: a slow reference and two fast ones.

Weights are stacked over experts: a dense feed-forward layer is the case E = 1. Repeating its
tensors makes a mixture of experts (upcycling).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechmoe_espnet.moe import fused_ops, grouped
from speechmoe_espnet.moe.activation import ACTIVATIONS
from speechmoe_espnet.moe.fused import Weights
from speechmoe_espnet.moe.routing_options import BACKENDS, check_choice, check_rate


class Experts(nn.Module):
    """E feed-forward networks: y = act(x w1 + b1) w2 + b2.

    Args:
        input_size: D.
        hidden_size: H.
        num_experts: E.
        activation: relu, swish or gelu.
        dropout_rate: Dropout on hidden values.
        backend: "fused" (CPU: an expert at a time, with a backward pass of its own),
            "grouped_mm" (sorted rows, one kernel for all experts), "loop" (the reference,
            plain autograd), or "auto": fused on a CPU, grouped_mm on a CUDA device where the
            widths allow it, else the loop.

    Attributes:
        w1: (E, D, H), b1: (E, H), w2: (E, H, D), b2: (E, D).

    Raises:
        ValueError: Where an argument is unknown, or grouped_mm cannot run.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_experts: int,
        activation: str = "relu",
        dropout_rate: float = 0.0,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        check_choice("activation", activation, sorted(ACTIVATIONS))
        check_rate("dropout_rate", dropout_rate)
        check_choice("backend", backend, BACKENDS)
        obstacle = grouped.obstacle(input_size, hidden_size)
        if backend == "grouped_mm" and obstacle:
            raise ValueError(f"backend: 'grouped_mm' cannot be used: {obstacle}; use 'auto'")
        self.num_experts = num_experts
        self.activation = activation
        self.dropout = nn.Dropout(dropout_rate)
        self.backend = backend
        self.groupable = not obstacle
        self.w1 = nn.Parameter(torch.empty(num_experts, input_size, hidden_size))
        self.b1 = nn.Parameter(torch.empty(num_experts, hidden_size))
        self.w2 = nn.Parameter(torch.empty(num_experts, hidden_size, input_size))
        self.b2 = nn.Parameter(torch.empty(num_experts, input_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise each expert as torch.nn.Linear initialises itself."""
        for weight, bias in ((self.w1, self.b1), (self.w2, self.b2)):
            bound = 1.0 / math.sqrt(weight.size(1))
            nn.init.uniform_(weight, -bound, bound)
            nn.init.uniform_(bias, -bound, bound)

    def forward(self, x: Tensor, chosen: Tensor, gates: Tensor | None = None) -> Tensor:
        """Send each frame through its experts: y_m = sum over k of g_mk Expert_c(m,k)(x_m).

        Under autocast, weights and frames are taken in autocast's type.

        Args:
            x: Frames (M, D), finite in padding.
            chosen: Experts of each frame (M, K), int64; -1 for padding.
            gates: Factors (M, K), or None for 1.

        Returns:
            (M, D), 0 in padding.

        Raises:
            ValueError: Where the backend cannot run on the device of x.
        """
        dtype = x.dtype
        device = x.device.type
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
        x = x.to(dtype)
        weights = Weights(*(weight.to(dtype) for weight in self.weights))
        backend = self._backend(device)
        if backend == "fused":
            return fused_ops.run_experts(
                x, chosen, gates, weights, self.activation, self.active_dropout
            )
        function = ACTIVATIONS[self.activation].function
        run = grouped.run_experts if backend == "grouped_mm" else _run_loop
        return run(x, chosen, gates, weights, function, self.dropout)

    @property
    def weights(self) -> Weights:
        """The parameters together."""
        return Weights(self.w1, self.b1, self.w2, self.b2)

    @property
    def active_dropout(self) -> float:
        """Share of hidden values that is dropped in the current mode."""
        return self.dropout.p if self.training else 0.0

    def fuses_with_router(self, x: Tensor) -> bool:
        """Whether x can go through `fused_layer.run_layer`: eager, on a CPU, all in float32."""
        device = x.device.type
        return (
            self._backend(device) == "fused"
            and x.dtype == self.w1.dtype == torch.float32
            and not torch.is_autocast_enabled(device)
            and not torch.compiler.is_compiling()
        )

    def forward_single(self, x: Tensor) -> Tensor:
        """Apply the only expert of a dense layer to (..., D)."""
        assert self.num_experts == 1, self.num_experts
        activation = ACTIVATIONS[self.activation].function
        hidden = self.dropout(activation(F.linear(x, self.w1[0].t(), self.b1[0])))
        return F.linear(hidden, self.w2[0].t(), self.b2[0])

    def _backend(self, device: str) -> str:
        if self.backend == "auto":
            if device == "cpu":
                return "fused"
            return "grouped_mm" if device == "cuda" and self.groupable else "loop"
        if self.backend == "fused" and device != "cpu":
            raise ValueError(f"backend: 'fused' runs on a CPU, not on {device}; use 'auto'")
        return self.backend


def _run_loop(
    x: Tensor,
    chosen: Tensor,
    gates: Tensor | None,
    weights: Weights,
    activation: grouped.Function,
    dropout: grouped.Function,
) -> Tensor:
    """The definition, an expert at a time; see `grouped.run_experts`."""
    out = torch.zeros_like(x)
    for expert, (w1, b1, w2, b2) in enumerate(zip(*weights, strict=True)):
        frames, choice = (chosen == expert).nonzero(as_tuple=True)
        hidden = dropout(activation(F.linear(x[frames], w1.t(), b1)))
        rows = F.linear(hidden, w2.t(), b2)
        if gates is not None:
            rows = rows * gates[frames, choice].unsqueeze(1).to(rows.dtype)
        out = out.index_add(0, frames, rows)
    return out
