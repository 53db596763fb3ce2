"""Feed-forward experts: a slow reference loop and a fast grouped matrix multiplication.

Weights are stacked over experts, so a static feed-forward layer is the case E = 1 and
becomes a mixture of experts by repeating its tensors (upcycling).
"""

import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "swish": F.silu,
    "gelu": F.gelu,
}
BACKENDS = ("auto", "grouped_mm", "loop")
GROUPED_MM_ROW_BYTES = 16


class Experts(nn.Module):
    """E feed-forward networks: y = act(x w1 + b1) w2 + b2.

    Attributes:
        w1: (E, D, H), b1: (E, H), w2: (E, H, D), b2: (E, D).
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
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation: {activation!r} is not one of {sorted(ACTIVATIONS)}")
        if backend not in BACKENDS:
            raise ValueError(f"backend: {backend!r} is not one of {list(BACKENDS)}")
        if backend == "grouped_mm":
            require_grouped_mm(input_size, hidden_size)
        self.num_experts = num_experts
        self.activation = ACTIVATIONS[activation]
        self.dropout = nn.Dropout(dropout_rate)
        self.backend = backend
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

    def forward(self, x: Tensor, counts: Tensor) -> Tensor:
        """Apply expert j to the j-th group of rows.

        Args:
            x: Rows sorted by expert (N, D).
            counts: Rows of each expert (E,), int; may hold zeros, sums to N.

        Returns:
            Outputs in the same order (N, D).
        """
        if self._use_grouped_mm():
            return self._forward_grouped(x, counts)
        return self._forward_loop(x, counts)

    def forward_single(self, x: Tensor) -> Tensor:
        """Apply the only expert of a static layer to (..., D)."""
        assert self.num_experts == 1, self.num_experts
        hidden = self.dropout(self.activation(F.linear(x, self.w1[0].t(), self.b1[0])))
        return F.linear(hidden, self.w2[0].t(), self.b2[0])

    def _use_grouped_mm(self) -> bool:
        if self.backend == "auto":
            return not _grouped_mm_obstacle(self.w1.size(1), self.w1.size(2))
        return self.backend == "grouped_mm"

    def _forward_loop(self, x: Tensor, counts: Tensor) -> Tensor:
        groups = torch.split(x, counts.tolist())
        outputs = []
        for expert, rows in enumerate(groups):
            hidden = self.activation(F.linear(rows, self.w1[expert].t(), self.b1[expert]))
            hidden = self.dropout(hidden)
            outputs.append(F.linear(hidden, self.w2[expert].t(), self.b2[expert]))
        return torch.cat(outputs)

    def _forward_grouped(self, x: Tensor, counts: Tensor) -> Tensor:
        dtype = x.dtype
        device = x.device.type
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
        offsets = counts.cumsum(0).to(torch.int32)
        expert_of_row = torch.repeat_interleave(counts, output_size=x.size(0))
        hidden = F.grouped_mm(x.to(dtype), self.w1.to(dtype), offs=offsets)
        hidden = hidden + self.b1.to(dtype).index_select(0, expert_of_row)
        hidden = self.dropout(self.activation(hidden))
        out = F.grouped_mm(hidden, self.w2.to(dtype), offs=offsets)
        return out + self.b2.to(dtype).index_select(0, expert_of_row)


def require_grouped_mm(input_size: int, hidden_size: int) -> None:
    """Raise ValueError where `backend="grouped_mm"` cannot run, saying why."""
    obstacle = _grouped_mm_obstacle(input_size, hidden_size)
    if obstacle:
        raise ValueError(f"backend: 'grouped_mm' cannot be used: {obstacle}; use 'loop'")


def _grouped_mm_obstacle(input_size: int, hidden_size: int) -> str:
    if not hasattr(F, "grouped_mm"):
        return f"torch {torch.__version__} has no torch.nn.functional.grouped_mm"
    # Rows of bfloat16 are the shortest in use: both widths must fill 16 bytes there.
    multiple = GROUPED_MM_ROW_BYTES // torch.bfloat16.itemsize
    for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
        if size % multiple:
            return f"{name} {size} is not a multiple of {multiple}"
    return ""
