"""Frontend `kaldi_fbank`: the recipes' features, computed inside a model."""

from typing import Any

from espnet2.asr.frontend.abs_frontend import AbsFrontend
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import TooShortUttError
from torch import Tensor

from speechmoe_espnet.data.fbank_batch import batch_fbank
from speechmoe_espnet.data.fbank_config import FbankConfig


class KaldiFbank(AbsFrontend):
    """Log-mel filter banks as stage 2 of a recipe extracts them, from waveforms.

    A model with this frontend takes recordings where one without it takes features, and gives the
    same output: the features are equal to 1e-3. It has no parameters and no buffers, so that a
    checkpoint fits with and without it. Gradients reach the waveform. Dither, where it is above 0,
    is added in training alone.

    Args:
        options: `frontend_conf`: the options of the features with the names of conf/fbank.yaml
            (see data.fbank_config.FbankConfig), and `fs`, ESPnet's name of sample_frequency.

    Raises:
        ValueError: An option is unknown or has a value that is not allowed.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.config = FbankConfig.from_frontend_conf(options)

    def output_size(self) -> int:
        """F, the values per frame."""
        return self.config.feature_size

    def forward(self, input: Tensor, input_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the features of a batch.

        Args:
            input: Waveforms (B, N) in [-1, 1), one channel, at the rate `fs`.
            input_lengths: Valid samples (B,).

        Returns:
            Features (B, M, F), 0 in padding, and valid frames (B,).

        Raises:
            ValueError: The input has several channels.
            TooShortUttError: No utterance has the samples of one frame.
        """
        if input.dim() != 2:
            raise ValueError(
                f"frontend: kaldi_fbank takes waveforms (batch, samples) of one channel, got shape "
                f"{tuple(input.shape)}; give one channel, or features to a model without frontend"
            )
        if input.size(1) < self.config.frame_samples:
            raise TooShortUttError(
                f"has {input.size(1)} samples; one frame has {self.config.frame_samples}",
                input.size(1),
                self.config.frame_samples,
            )
        return batch_fbank(input, input_lengths, self.config, dither=self.training)

    def extra_repr(self) -> str:
        """Options, for print(model)."""
        return str(self.config)
