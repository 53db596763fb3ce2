"""Input layers of the backbones: those of ESPnet's Conformer, by the same names.

A convolution leaves fewer frames. Which frames are valid is computed from the lengths alone, so
that the padding of a batch does not matter.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import (
    Conv2dSubsampling,
    Conv2dSubsampling1,
    Conv2dSubsampling2,
    Conv2dSubsampling6,
    Conv2dSubsampling8,
    TooShortUttError,
)
from torch import Tensor, nn


class Convolutions(NamedTuple):
    """A subsampling module of ESPnet, and (kernel, stride) of each of its convolutions."""

    module: type[nn.Module]
    steps: tuple[tuple[int, int], ...]


CONV2D: Mapping[str, Convolutions] = {
    "conv2d": Convolutions(Conv2dSubsampling, ((3, 2), (3, 2))),
    "conv2d1": Convolutions(Conv2dSubsampling1, ((3, 1), (3, 1))),
    "conv2d2": Convolutions(Conv2dSubsampling2, ((3, 2), (3, 1))),
    "conv2d6": Convolutions(Conv2dSubsampling6, ((3, 2), (5, 3))),
    "conv2d8": Convolutions(Conv2dSubsampling8, ((3, 2), (3, 2), (3, 2))),
}
LINEAR, EMBED = "linear", "embed"


def check_input_layer(name: str | None, allowed: Sequence[str | None]) -> None:
    """Raise ValueError for a name that is none of those allowed; None is `null` in YAML."""
    if name not in allowed:
        names = ", ".join("null" if layer is None else layer for layer in allowed)
        raise ValueError(f"input_layer: {name!r} is not one of {names}")


def check_same_input(encoder: str | None, embedding: str | None) -> None:
    """Raise ValueError where the embedding network would not keep the frames of the encoder."""
    if embedding != encoder:
        raise ValueError(
            f"embedding_conf: input_layer {embedding!r} differs from the encoder's ({encoder!r}): "
            "both must keep the same frames"
        )


def remaining(lengths: Tensor, steps: Sequence[tuple[int, int]]) -> Tensor:
    """Frames (or features) that convolutions leave of `lengths` (B,); 0 where these are too few."""
    for kernel, stride in steps:
        lengths = ((lengths - kernel).div(stride, rounding_mode="floor") + 1).clamp(min=0)
    return lengths


class InputLayer:
    """An input layer by its name: the module, and what it does to lengths.

    Args:
        name: A key of CONV2D; linear: a linear layer on every frame; embed: a vector for each
            discrete unit; None: the input as it is.
        input_size: Features a frame; with embed the number of units.
        output_size: D.

    Raises:
        ValueError: Where the input does not fit the layer.
    """

    def __init__(self, name: str | None, input_size: int, output_size: int) -> None:
        self.name = name
        self.input_size = input_size
        self.output_size = output_size
        self.convolutions = CONV2D.get(name or "")
        self.steps = self.convolutions.steps if self.convolutions else ()
        if name is None and input_size != output_size:
            raise ValueError(
                f"input_layer: null takes features as wide as the blocks: output_size is "
                f"{output_size}, and a frame has {input_size} features; use linear"
            )
        if not remaining(torch.tensor(input_size, device="cpu"), self.steps).item():
            raise ValueError(
                f"input_layer: {name} leaves nothing of {input_size} features a frame; use linear"
            )

    def module(self, dropout_rate: float, positions: nn.Module | None = None) -> nn.Module:
        """Make the module.

        Args:
            dropout_rate: Dropout of the layer.
            positions: Positional encoding behind the layer; without one, the output is normalised.
        """
        norm = (nn.LayerNorm(self.output_size), nn.Dropout(dropout_rate))
        if self.name == LINEAR:
            linear = nn.Linear(self.input_size, self.output_size)
            return nn.Sequential(linear, *norm, *([] if positions is None else [positions]))
        last = nn.Sequential(*norm) if positions is None else positions
        if self.convolutions:
            return self.convolutions.module(self.input_size, self.output_size, dropout_rate, last)
        if self.name == EMBED:
            return nn.Sequential(nn.Embedding(self.input_size, self.output_size), last)
        return nn.Sequential(last)

    def run(self, module: nn.Module, x: Tensor) -> Any:
        """What the module makes of features (B, T, F), or units (B, T) with embed."""
        if self.steps:
            return module(x, None)[0]
        return module(x)

    @property
    def subsampling(self) -> int:
        """Input frames per output frame."""
        product = 1
        for _, stride in self.steps:
            product *= stride
        return product

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Frames that come out of `lengths` frames (B,); 0 where an utterance is too short."""
        return remaining(lengths, self.steps)

    def least_frames(self) -> int:
        """Input frames of the shortest utterance that leaves one frame."""
        frames = 1
        for kernel, stride in reversed(self.steps):
            frames = (frames - 1) * stride + kernel
        return frames

    def check_lengths(self, x: Tensor, lengths: Tensor) -> None:
        """Raise TooShortUttError where an utterance (on a GPU: every utterance) is too short."""
        # An exported graph cannot look at lengths; its metadata holds the least number of frames.
        if not self.steps or torch.compiler.is_exporting():
            return
        # Reading lengths would wait for a GPU: there only the padded length is checked, as in
        # ESPnet. A shorter utterance then has the output length 0.
        shortest = int(lengths.min()) if lengths.device.type == "cpu" else x.size(1)
        least = self.least_frames()
        if shortest < least:
            raise TooShortUttError(
                f"has {shortest} frames and is too short for subsampling "
                f"(it needs at least {least} frames)",
                shortest,
                least,
            )
