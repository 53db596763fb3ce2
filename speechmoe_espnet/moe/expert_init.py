"""Variation of experts that start as copies of one dense layer.

Equal experts compute the same function; they become different only through the frames that
routers send them. Experts that differ from the start give routers a choice, and lose a part of
the learnt function.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from speechmoe_espnet.moe.fused import Weights
from speechmoe_espnet.moe.routing_options import MAX_NOISE, check_count, check_number

MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class ExpertInit:
    """Changes to each copy of a dense layer.

    Attributes:
        noise: Standard deviation of the Gaussian noise on every weight and bias, as a share of
            the standard deviation of its tensor. Small noise changes the function by about as
            much.
        redraw: Share of the hidden neurons, other ones in every expert, that are drawn anew from
            a normal distribution with the mean and the standard deviation of their tensor (w1, b1
            and w2 each). Drop-Upcycling (arXiv 2502.19261), section 3.2, takes mean and deviation
            of the replaced neurons instead (the bias of a single neuron has no deviation). The
            other neurons stay; on average two experts share (1 - redraw)^2 of them.
        seed: Seed of the random numbers.

    Raises:
        ValueError: Where a number is out of its range.
    """

    noise: float = 0.0
    redraw: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_number("expert_init_noise", self.noise, 0.0, MAX_NOISE)
        check_number("expert_init_redraw", self.redraw, 0.0, 1.0)
        check_count("expert_init_seed", self.seed, 0, MAX_SEED)

    @property
    def copies(self) -> bool:
        """Whether experts stay exact copies."""
        return self.noise == self.redraw == 0.0

    def vary(self, weights: Weights, generator: torch.Generator) -> Weights:
        """Change copies so that they differ.

        Args:
            weights: Parameters of E equal experts.
            generator: Random numbers, on the CPU.

        Returns:
            New tensors of the same shapes.
        """
        varied = Weights(*(weight.clone() for weight in weights))
        hidden_size = weights.w1.size(2)
        for expert in range(weights.w1.size(0)):
            neurons = torch.randperm(hidden_size, generator=generator)
            neurons = neurons[: round(self.redraw * hidden_size)].to(weights.w1.device)
            if neurons.numel():
                for weight, dim in ((varied.w1, 1), (varied.b1, 0), (varied.w2, 0)):
                    old = weight[expert]
                    drawn = _normal(old.index_select(dim, neurons), generator)
                    old.index_copy_(dim, neurons, old.mean() + _spread(old) * drawn)
        if self.noise:
            for weight, original in zip(varied, weights, strict=True):
                weight += self.noise * _spread(original[0]) * _normal(weight, generator)
        return varied


def _spread(values: Tensor) -> Tensor:
    return values.std(correction=0)


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype).to(like.device)
