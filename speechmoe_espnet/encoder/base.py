"""Base class of the SpeechMoE encoders: the interface that the model uses."""

from typing import Any

import torch
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from torch import Tensor

from speechmoe_espnet.encoder.backbone import Backbone
from speechmoe_espnet.encoder.output import SpeechMoEOutput
from speechmoe_espnet.encoder.stacking import StackedFeatures


class AbsSpeechMoEEncoder(AbsEncoder):
    """Encoder in which each frame uses a few of many experts.

    A shared embedding network (a small dense backbone on the same input) tells the routers what
    is being said. Its output is detached before the routers. Its CTC head belongs to the model,
    because encoders do not know the vocabulary. SpeechMoE (arXiv 2105.03036), section 3.

    Attributes:
        features: Stacked features, the input of both networks; None where they read fbank.
        embedding: The shared embedding network, or None.
        backbone: The blocks.
    """

    def __init__(
        self,
        features: StackedFeatures | None,
        embedding: Backbone | None,
        backbone: Backbone,
        output_size: int,
        embedding_size: int,
    ) -> None:
        super().__init__()
        self.features = features
        self.embedding = embedding
        self.backbone = backbone
        self.embedding_size = embedding_size
        self._output_size = output_size

    def output_size(self) -> int:
        """D, the width of an output frame."""
        return self._output_size

    @property
    def subsampling(self) -> int:
        """Input frames per output frame."""
        stacked = self.features.subsampling if self.features is not None else 1
        return stacked * self.backbone.subsampling

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Output frames of utterances with `lengths` input frames (B,)."""
        if self.features is not None:
            lengths = self.features.output_lengths(lengths)
        return self.backbone.output_lengths(lengths)

    def forward(
        self, xs_pad: Tensor, ilens: Tensor, prev_states: Any = None
    ) -> tuple[Tensor, Tensor, Any]:
        """Encode as ESPnet's encoders do.

        Args:
            xs_pad: Features (B, T, F).
            ilens: Valid frames (B,).
            prev_states: Not used; part of ESPnet's signature.

        Returns:
            Encoder output (B, T', D), its lengths (B,), and None.
        """
        out = self.forward_with_routing(xs_pad, ilens)
        return out.encoder_out, out.encoder_out_lens, None

    def forward_with_routing(self, xs_pad: Tensor, ilens: Tensor) -> SpeechMoEOutput:
        """Encode, and return the routing as well.

        Args:
            xs_pad: Features (B, T, F).
            ilens: Valid frames (B,).

        Returns:
            The output; its routing is empty for a dense encoder.
        """
        ilens = torch.as_tensor(ilens, device=xs_pad.device)
        if self.features is not None:
            xs_pad, ilens = self.features(xs_pad, ilens)
        embedding_out, detached = None, None
        if self.embedding is not None:
            embedding_out, _, _ = self.embedding(xs_pad, ilens, None)
            detached = embedding_out.detach()
        out, lengths, routing = self.backbone(xs_pad, ilens, detached)
        return SpeechMoEOutput(out, lengths, embedding_out, tuple(routing))
