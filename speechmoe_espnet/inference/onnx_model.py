"""Exported model with the interface of a PyTorch model, for the same searches."""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn


class OnnxAcousticModel(nn.Module):
    """Exported graph with the methods that `Recognizer` calls on a model.

    Args:
        session: onnxruntime session of the graph.
        least_frames: Minimum number of frames of an utterance.
    """

    class TooShortError(Exception):
        """An utterance has too few frames for the graph."""

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
