"""Deltas, stacking and subsampling of fbank inside the encoder.

The paper's input is 40-dim fbank with deltas and delta-deltas, 8 frames stacked and
subsampled by 3. Frames beyond an utterance's ends repeat its first and last valid frame, so the
result does not depend on the padding of the batch.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DELTA_WINDOW = 2


class StackedFeatures(nn.Module):
    """(B, T, F) fbank to (B, T', stack * channels * F), T' = ceil(T / subsampling).

    Args:
        input_size: F, features a frame.
        deltas: Append deltas and delta-deltas (window 2, as Kaldi's add-deltas).
        stack: Frames stacked into one.
        subsampling: Step between stacked frames.

    Raises:
        ValueError: Where an argument is out of range.
    """

    delta_filters: Tensor

    def __init__(
        self, input_size: int, deltas: bool = True, stack: int = 8, subsampling: int = 3
    ) -> None:
        super().__init__()
        if subsampling < 1:
            raise ValueError(f"subsampling: {subsampling} is less than 1")
        if stack < subsampling:
            raise ValueError(
                f"stack: {stack} is less than subsampling ({subsampling}): frames would be lost"
            )
        self.input_size = input_size
        self.deltas = deltas
        self.stack = stack
        self.subsampling = subsampling
        self.register_buffer("delta_filters", _delta_filters(), persistent=False)

    def output_size(self) -> int:
        """Features of an output frame."""
        return self.stack * self.input_size * (3 if self.deltas else 1)

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Output frames of utterances with `lengths` input frames (B,)."""
        return torch.div(lengths + self.subsampling - 1, self.subsampling, rounding_mode="floor")

    def forward(self, feats: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Stack features.

        Args:
            feats: (B, T, F).
            lengths: Valid frames (B,).

        Returns:
            Stacked features (B, T', stack * channels * F) and their lengths (B,).
        """
        reach = 2 * DELTA_WINDOW if self.deltas else 0
        left = (self.stack - self.subsampling) // 2
        out_lengths = self.output_lengths(lengths)
        num_out = (feats.size(1) + self.subsampling - 1) // self.subsampling
        num_context = (num_out - 1) * self.subsampling + self.stack
        position = torch.arange(num_context + 2 * reach, device=feats.device) - left - reach
        position = position.unsqueeze(0).clamp(min=0).minimum((lengths - 1).unsqueeze(1))
        context = feats.gather(1, position.unsqueeze(-1).expand(-1, -1, feats.size(-1)))
        channels = self._add_deltas(context) if self.deltas else context
        windows = channels.unfold(1, self.stack, self.subsampling)
        return windows.transpose(2, 3).flatten(2), out_lengths

    def _add_deltas(self, context: Tensor) -> Tensor:
        """(B, T + 2 * reach, F) to (B, T, 3 * F)."""
        batch, frames, feats = context.shape
        rows = context.transpose(1, 2).reshape(batch * feats, 1, frames)
        filtered = F.conv1d(rows, self.delta_filters.to(rows.dtype).unsqueeze(1))
        return filtered.view(batch, feats, 3, -1).permute(0, 3, 2, 1).flatten(2)


def _delta_filters() -> Tensor:
    """Filters (3, 9) for statics, deltas and delta-deltas.

    d_t = sum over n of n (x_{t+n} - x_{t-n}) / (2 sum n^2): the regression of Kaldi and HTK.
    """
    offsets = torch.arange(-DELTA_WINDOW, DELTA_WINDOW + 1, dtype=torch.float32)
    delta = offsets / offsets.square().sum()
    twice = F.conv1d(
        delta.view(1, 1, -1), delta.flip(0).view(1, 1, -1), padding=2 * DELTA_WINDOW
    ).flatten()
    filters = torch.zeros(3, 4 * DELTA_WINDOW + 1)
    filters[0, 2 * DELTA_WINDOW] = 1.0
    filters[1, DELTA_WINDOW : 3 * DELTA_WINDOW + 1] = delta
    filters[2] = twice
    return filters
