"""An exported model in the place of a PyTorch one, so that the same searches score both."""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn


class OnnxAcousticModel(nn.Module):
    """What `Recognizer` calls of a model, answered by an exported graph.

    Args:
        session: onnxruntime's session of the graph.
        least_frames: Frames of the shortest utterance the graph takes.
    """

    class TooShortError(Exception):
        """An utterance has fewer frames than the graph takes."""

    def __init__(self, session: Any, least_frames: int) -> None:
        super().__init__()
        self.session = session
        self.least_frames = least_frames
        self.encoder = SimpleNamespace()
        self.ctc = SimpleNamespace(log_softmax=lambda log_probs: log_probs)
        self.blank_id = 0

    def encode(self, speech: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute log-probabilities (B, T', V) and their lengths (B,) of features (B, T, F).

        Raises:
            TooShortError: An utterance has too few frames.
        """
        if int(lengths.min()) < self.least_frames:
            raise self.TooShortError
        found = self.session.run(None, {"features": speech.numpy(), "lengths": lengths.numpy()})
        log_probs, out_lengths = map(torch.from_numpy, found)
        return log_probs, out_lengths
