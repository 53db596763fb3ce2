"""Routing statistics of a set: totals that add up over batches and processes.

Shapes: B utterances, T encoder frames, E experts, K chosen experts per frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch


class Routing(Protocol):
    """Decisions of one router: probs (B, T, E), and indices (B, T, K), most probable first."""

    @property
    def probs(self) -> torch.Tensor:
        """Probabilities of the experts."""

    @property
    def indices(self) -> torch.Tensor:
        """Chosen experts."""


@dataclass(frozen=True)
class LayerTotals:
    """Totals of one MoE layer.

    Attributes:
        choices: How often each expert was chosen.
        confidence: Sum over frames of the probability of the first choice.
    """

    choices: tuple[int, ...]
    confidence: float


@dataclass(frozen=True)
class RoutingTotals:
    """Totals of all MoE layers, first layer first; no layers for a dense model.

    Attributes:
        layers: Totals of each layer.
        num_frames: Number of valid encoder frames.
    """

    layers: tuple[LayerTotals, ...] = ()
    num_frames: int = 0

    @classmethod
    def count(cls, routings: Sequence[Routing], lengths: torch.Tensor) -> Self:
        """Count a batch.

        Args:
            routings: One per layer; layers of one expert are left out.
            lengths: Valid encoder frames of each utterance, (B,).
        """
        layers = []
        for routing in routings:
            num_experts = routing.probs.size(2)
            if num_experts == 1:
                continue
            frames = torch.arange(routing.probs.size(1), device=lengths.device)
            valid = frames < lengths[:, None]
            chosen = routing.indices[valid]
            choices = torch.bincount(chosen.flatten(), minlength=num_experts)
            confidence = routing.probs[valid].gather(1, chosen[:, :1]).double().sum()
            layers.append(LayerTotals(tuple(choices.tolist()), confidence.item()))
        return cls(tuple(layers), int(lengths.sum()))

    def __add__(self, other: "RoutingTotals") -> "RoutingTotals":
        if not self.num_frames:
            return other
        if not other.num_frames:
            return self
        layers = tuple(
            LayerTotals(
                tuple(a + b for a, b in zip(mine.choices, theirs.choices, strict=True)),
                mine.confidence + theirs.confidence,
            )
            for mine, theirs in zip(self.layers, other.layers, strict=True)
        )
        return RoutingTotals(layers, self.num_frames + other.num_frames)

    def summary(self) -> dict[str, Any]:
        """Return the contents of `routing.json`.

        For each layer, `load` is the share of the choices of each expert, `confidence` the mean
        probability of the first choice, and `entropy` the entropy of the load in nats (0: one
        expert takes all; ln E: balanced).
        """
        layers = []
        for layer in self.layers:
            load = torch.tensor(layer.choices, dtype=torch.float64) / max(sum(layer.choices), 1)
            layers.append(
                {
                    "load": load.tolist(),
                    "confidence": layer.confidence / max(self.num_frames, 1),
                    "entropy": torch.special.entr(load).sum().item(),
                }
            )
        return {"layers": layers, "num_frames": self.num_frames}
