"""Which experts the routers chose on a set: totals that batches and processes add up to.

Shapes: B utterances, T encoder frames, E experts, K chosen experts a frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch


class Routing(Protocol):
    """What one router decided: probs (B, T, E), and indices (B, T, K), most probable first."""

    @property
    def probs(self) -> torch.Tensor:
        """Probabilities of the experts."""

    @property
    def indices(self) -> torch.Tensor:
        """Chosen experts."""


@dataclass(frozen=True)
class LayerTotals:
    """One MoE layer.

    Attributes:
        choices: How often each expert was chosen.
        confidence: Sum over frames of the probability of the first choice.
    """

    choices: tuple[int, ...]
    confidence: float


@dataclass(frozen=True)
class RoutingTotals:
    """All MoE layers, first layer first; no layers for a static model.

    Attributes:
        layers: What the layers did.
        num_frames: Valid encoder frames that it counts.
    """

    layers: tuple[LayerTotals, ...] = ()
    num_frames: int = 0

    @classmethod
    def count(cls, routings: Sequence[Routing], lengths: torch.Tensor) -> Self:
        """Count a batch.

        Args:
            routings: One a layer; layers of one expert are left out.
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
        """Return what `routing.json` holds.

        Of each layer `load` is the share of choices that fell on each expert, `confidence`
        the mean probability of the first choice, `entropy` that of the load, in nats (0: one
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
