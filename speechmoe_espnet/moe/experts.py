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
from speechmoe_espnet.moe.expert_parallel import (
    Divided,
    mean_gradient,
    ranks_of_experts,
    run_divided,
)
from speechmoe_espnet.moe.fused import Weights
from speechmoe_espnet.moe.routing_options import BACKENDS, check_choice, check_rate


class Experts(Divided):
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
        parallel: Whether the processes of a training that has begun divide the experts among
            themselves, see expert_parallel. One process has all.

    Attributes:
        w1: (E, D, H), b1: (E, H), w2: (E, H, D), b2: (E, D); of divided experts those of this rank.

    Raises:
        ValueError: Where an argument is unknown, grouped_mm cannot run, or processes cannot have
            equally many experts.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_experts: int,
        activation: str = "relu",
        dropout_rate: float = 0.0,
        backend: str = "auto",
        parallel: bool = False,
    ) -> None:
        super().__init__(ranks_of_experts(num_experts) if parallel else None)
        check_choice("activation", activation, sorted(ACTIVATIONS))
        check_rate("dropout_rate", dropout_rate)
        check_choice("backend", backend, BACKENDS)
        obstacle = grouped.obstacle(input_size, hidden_size)
        if backend == "grouped_mm" and obstacle:
            raise ValueError(f"backend: 'grouped_mm' cannot be used: {obstacle}; use 'auto'")
        self.num_experts = num_experts
        self.parallel = parallel
        self.activation = activation
        self.dropout = nn.Dropout(dropout_rate)
        self.backend = backend
        self.groupable = not obstacle
        count = self.num_local
        self.w1 = nn.Parameter(torch.empty(count, input_size, hidden_size))
        self.b1 = nn.Parameter(torch.empty(count, hidden_size))
        self.w2 = nn.Parameter(torch.empty(count, hidden_size, input_size))
        self.b2 = nn.Parameter(torch.empty(count, input_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise each expert as torch.nn.Linear initialises itself.

        A rank draws all experts and keeps its own, so that a seed makes the same model at any
        number of ranks.
        """
        for weight, bias in ((self.w1, self.b1), (self.w2, self.b2)):
            bound = 1.0 / math.sqrt(weight.size(1))
            for parameter in (weight, bias):
                whole: Tensor = parameter
                if self.ranks is not None:
                    whole = parameter.new_empty((self.num_experts, *parameter.shape[1:]))
                nn.init.uniform_(whole, -bound, bound)
                if self.ranks is not None:
                    parameter.data.copy_(self.mine(whole))

    def forward(self, x: Tensor, chosen: Tensor, gates: Tensor | None = None) -> Tensor:
        """Send each frame through its experts: y_m = sum over k of g_mk Expert_c(m,k)(x_m).

        Under autocast, weights and frames are taken in autocast's type. Of divided experts, every
        rank calls this at once, with frames of its own.

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
        if self.ranks is None:
            return self._run(x, chosen, gates, weights)
        scaled = Weights(*(mean_gradient(weight, self.ranks) for weight in weights))

        def run(rows: Tensor, mine: Tensor) -> Tensor:
            return self._run(rows, mine, None, scaled)

        return run_divided(x, chosen, gates, self.num_experts, self.ranks, run)

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
            self.ranks is None
            and self._backend(device) == "fused"
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

    def _run(self, x: Tensor, chosen: Tensor, gates: Tensor | None, weights: Weights) -> Tensor:
        """Send frames through the experts of this process."""
        backend = self._backend(x.device.type)
        if backend == "fused":
            return fused_ops.run_experts(
                x, chosen, gates, weights, self.activation, self.active_dropout
            )
        function = ACTIVATIONS[self.activation].function
        run = grouped.run_experts if backend == "grouped_mm" else _run_loop
        return run(x, chosen, gates, weights, function, self.dropout)

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
