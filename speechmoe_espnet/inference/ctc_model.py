"""SpeechMoE model with a CTC head, loaded without ESPnet's task.

Importing that task takes longer than recognising a minute of speech. Outputs are those of ESPnet's
model to the bit.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from speechmoe_espnet.data.fbank_config import FRONTEND
from speechmoe_espnet.encoder.output import SpeechMoEOutput, valid_frames
from speechmoe_espnet.encoder.speechmoe_encoder import SpeechMoEEncoder
from speechmoe_espnet.espnet.checkpoint_file import check_fits, read_state
from speechmoe_espnet.espnet.kaldi_fbank import KaldiFbank

GLOBAL_MVN = "global_mvn"
_TRAINED_WITH = "embedding_ctc."
"""Parameters of the loss of the embedding network, which recognises nothing."""
_OTHER_PARTS = ("preencoder", "postencoder", "decoder", "joint_network")


class CtcModel(nn.Module):
    """Normalisation, encoder and CTC head: features in, or samples where `kaldi_fbank` is in it.

    It has the methods that `Recognizer` and searches without a decoder call on a model, and the
    names of parameters of ESPnet's model.

    Args:
        conf: Configuration of the experiment, of which `is_plain` holds.

    Raises:
        ValueError: The encoder does not know an option, or one is out of its range.
    """

    def __init__(self, conf: Mapping[str, Any]) -> None:
        super().__init__()
        self.token_list: list[str] = list(conf["token_list"])
        self.blank_id = 0
        size, self.frontend, self.normalize = conf["input_size"], None, None
        if size is None:  # else ESPnet builds no frontend, whatever its name
            self.frontend = KaldiFbank(**(conf.get("frontend_conf") or {}))
            size = self.frontend.output_size()
        if conf.get("normalize") == GLOBAL_MVN:
            self.normalize = _Normalization(size)
        self.encoder = SpeechMoEEncoder(size, **(conf.get("encoder_conf") or {}))
        self.ctc = _Head(self.encoder.output_size(), len(self.token_list))

    def encode_with_routing(self, speech: Tensor, lengths: Tensor) -> SpeechMoEOutput:
        """Encode features (B, T, F) or samples (B, num_samples) of lengths (B,).

        Returns:
            As `SpeechMoEEncoder.forward_with_routing`.

        Raises:
            TooShortUttError: An utterance has too few frames.
        """
        feats, lengths = self._extract_feats(speech, lengths)
        if self.normalize is not None:
            feats = self.normalize(feats, lengths)
        return self.encoder.forward_with_routing(feats, lengths)

    def _extract_feats(self, speech: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        speech = speech[:, : int(lengths.max())]
        return (speech, lengths) if self.frontend is None else self.frontend(speech, lengths)


class _Normalization(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))

    def forward(self, feats: Tensor, lengths: Tensor) -> Tensor:
        """Normalise (B, T, F); padding becomes 0."""
        padding = ~valid_frames(lengths, feats.size(1))[:, :, None]
        normalized: Tensor = (feats - self.mean).masked_fill(padding, 0.0) / self.std
        return normalized


class _Head(nn.Module):
    def __init__(self, size: int, num_tokens: int) -> None:
        super().__init__()
        self.ctc_lo = nn.Linear(size, num_tokens)

    def log_softmax(self, encoder_out: Tensor) -> Tensor:
        """Log-probabilities (B, T', V) of encoder outputs (B, T', D)."""
        log_probs: Tensor = self.ctc_lo(encoder_out).log_softmax(dim=2)
        return log_probs


def is_plain(conf: Mapping[str, Any]) -> bool:
    """Whether a model is made of our features, encoder `speechmoe` and a CTC head alone."""
    options = conf.get("encoder_conf") or {}
    normalize_conf = conf.get("normalize_conf") or {}
    return (
        conf.get("encoder") == "speechmoe"
        and conf.get("model") == "speechmoe"
        and (conf.get("input_size") is not None or conf.get("frontend") == FRONTEND)
        and not any(conf.get(part) for part in _OTHER_PARTS)
        and conf.get("normalize") in (None, GLOBAL_MVN)
        and set(normalize_conf) <= {"stats_file"}
        and not options.get("interctc_layer_idx")
        and not options.get("interctc_use_conditioning")
        and (conf.get("model_conf") or {}).get("ctc_weight") == 1.0
    )


def load_ctc_model(conf: Mapping[str, Any], model_file: str | Path, device: str) -> CtcModel:
    """Build the model of a configuration and load all its parameters.

    Args:
        conf: As `CtcModel`.
        model_file: Checkpoint with the parameters.
        device: "cpu", "cuda" or "cuda:N".

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: It is damaged, or its tensors are not those of the model.
    """
    model = CtcModel(conf).to(device)
    state = read_state(model_file, device)
    used = {name: value for name, value in state.items() if not name.startswith(_TRAINED_WITH)}
    check_fits(model, used, model_file)
    wanted = model.state_dict()
    model.load_state_dict({name: value for name, value in used.items() if name in wanted})
    return model.eval()
