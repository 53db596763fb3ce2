"""Comparison of an exported graph with PyTorch, at batches and lengths unseen by the export."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from speechmoe_espnet.encoder.base import AbsSpeechMoEEncoder
from speechmoe_espnet.export.acoustic import INPUTS, AcousticModel

# Utterances a batch, frames beyond the least.
CASES = (
    (1, 0), (1, 1), (2, 2), (1, 7), (3, 16), (2, 40), (5, 77), (1, 133), (7, 100), (1, 256),
    (4, 311), (2, 599), (16, 64), (3, 800), (1, 1501), (2, 3000), (1, 6001),
)  # fmt: skip
# A frame that two experts fit equally well, to this probability, may go to either.
NEAR_TIE = 1e-5


@dataclass(frozen=True)
class Batch:
    """Batch that both sides compute.

    Attributes:
        features: (B, T, F), padding holds large values that must not matter.
        lengths: (B,).
    """

    features: Tensor
    lengths: Tensor


@dataclass(frozen=True)
class Difference:
    """Difference between a graph and PyTorch.

    Attributes:
        num_batches: Batches compared.
        num_frames: Output frames compared.
        largest: Largest absolute difference of a log-probability.
        mean: Mean absolute difference.
        same_best: Share of frames whose most probable unit is the same.
        near_ties: Utterances left out, because a router was undecided in one of their frames.
    """

    num_batches: int
    num_frames: int
    largest: float
    mean: float
    same_best: float
    near_ties: int

    def __str__(self) -> str:
        ties = f", {self.near_ties} utterances with undecided routers left out"
        return (
            f"{self.num_batches} batches, {self.num_frames} frames: largest difference "
            f"{self.largest:.2g}, mean {self.mean:.2g}, best unit the same in "
            f"{100 * self.same_best:.2f} % of frames{ties if self.near_ties else ''}"
        )


def make_batches(model: Any, num_features: int, least: int, seed: int = 0) -> Iterator[Batch]:
    """Make batches that look like normalised speech features, if the model has statistics.

    Args:
        model: The ASR model or the AcousticModel.
        num_features: F.
        least: Frames of the shortest utterance.
        seed: Seed of the values.
    """
    generator = torch.Generator().manual_seed(seed)
    mean, std = torch.zeros(num_features), torch.ones(num_features)
    if model.normalize is not None:
        mean, std = model.normalize.mean.float(), model.normalize.std.float()
    for size, beyond in CASES:
        frames = least + beyond
        lengths = torch.randint(least, frames + 1, (size,), generator=generator)
        lengths[0] = frames
        # Neighbouring frames alike, as in speech.
        noise = torch.randn(size, frames, num_features, generator=generator)
        slow = torch.nn.functional.avg_pool1d(
            noise.transpose(1, 2), 9, 1, 4, count_include_pad=False
        ).transpose(1, 2)
        features = (slow * 3 + noise * 0.3) * std + mean
        padding = torch.arange(frames) >= lengths.unsqueeze(1)
        features[padding] = 50.0
        yield Batch(features, lengths)


@torch.no_grad()
def compare(session: Any, model: AcousticModel, batches: Iterator[Batch]) -> Difference:
    """Run both on each batch.

    Args:
        session: Session of the exported graph.
        model: The same in PyTorch.
        batches: What to run them on.

    Raises:
        ValueError: The graph gives other shapes or lengths, or values that are not finite.
    """
    largest, total, same, values, frames, ties, count = 0.0, 0.0, 0, 0, 0, 0, 0
    for batch in batches:
        count += 1
        wanted, wanted_lengths = model(batch.features, batch.lengths)
        given = (batch.features.numpy(), batch.lengths.numpy())
        found, found_lengths = session.run(None, dict(zip(INPUTS, given, strict=True)))
        if found.shape != wanted.shape or (found_lengths != wanted_lengths.numpy()).any():
            raise ValueError(
                f"the exported graph gives {found.shape} with lengths {found_lengths.tolist()}, "
                f"PyTorch {tuple(wanted.shape)} with {wanted_lengths.tolist()}, for features "
                f"{tuple(batch.features.shape)}"
            )
        undecided = _undecided(model, batch)
        for number, length in enumerate(found_lengths.tolist()):
            if undecided[number]:
                ties += 1
                continue
            mine, theirs = found[number, :length], wanted[number, :length].numpy()
            if not np.isfinite(mine).all():
                raise ValueError(
                    f"the exported graph gives values that are not finite for features "
                    f"{tuple(batch.features.shape)}"
                )
            difference = np.abs(mine - theirs)
            largest = max(largest, float(difference.max(initial=0.0)))
            total += float(difference.sum())
            values += difference.size
            same += int((mine.argmax(axis=1) == theirs.argmax(axis=1)).sum())
            frames += length
    if not frames:
        raise ValueError("no frame was left to compare: the routers are undecided everywhere")
    return Difference(count, frames, largest, total / values, same / frames, ties)


def _undecided(model: AcousticModel, batch: Batch) -> list[bool]:
    """Utterances in which a router nearly ties between its last choice and the next."""
    undecided = torch.zeros(len(batch.lengths), dtype=torch.bool)
    if not isinstance(model.encoder, AbsSpeechMoEEncoder):
        return undecided.tolist()
    features, lengths = batch.features.clone(), batch.lengths
    if model.normalize is not None:
        features, lengths = model.normalize(features, lengths)
    for routing in model.encoder.forward_with_routing(features, lengths).routing:
        chosen = routing.indices.size(-1)
        if chosen == routing.probs.size(-1):
            continue
        best = routing.probs.topk(chosen + 1, dim=-1).values
        margin = best[..., chosen - 1] - best[..., chosen]
        valid = routing.indices[..., 0] >= 0
        undecided |= ((margin < NEAR_TIE) & valid).any(dim=1)
    return undecided.tolist()
