"""Exported model with the interface of a PyTorch model, for the same searches."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.decode.config import DecodeConfig
from speechmoe_espnet.decode.search.factory import make_search
from speechmoe_espnet.decode.unit_text import PIECE_SPACE, UnitText
from speechmoe_espnet.export.metadata import Metadata
from speechmoe_espnet.export.seal import check_seal
from speechmoe_espnet.export.session import metadata_of, open_session
from speechmoe_espnet.inference.recognizer import Recognizer
from speechmoe_espnet.inference.speech_finder import SpeechFinder
from speechmoe_espnet.inference.transcription import Transcriber


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


def load_onnx(
    path: Path,
    config: DecodeConfig,
    *,
    num_threads: int = 1,
    graph_dir: Path | None = None,
    ngram: Path | None = None,
) -> tuple[Recognizer, Metadata]:
    """Load an exported model with a search.

    Args:
        path: `model.onnx` of export.
        config: Decode configuration.
        num_threads: Threads of onnxruntime.
        graph_dir: Decoding graph, for method wfst.
        ngram: ARPA file over tokens, for ctc_prefix_beam with `use_ngram`.

    Raises:
        FileNotFoundError: The model or a file of the search is missing.
        ValueError: The model is damaged, or the search does not fit it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"--model: there is no file {path}")
    data = path.read_bytes()
    check_seal(data, path)
    session = open_session(data, num_threads)
    metadata = Metadata.from_props(metadata_of(session, path), path)
    recognizer = Recognizer(
        OnnxAcousticModel(session, metadata.least_frames),
        make_search(config, metadata.units, graph_dir=graph_dir, ngram=ngram),
        _unit_text(metadata),
        num_bins=metadata.num_features,
        too_short=OnnxAcousticModel.TooShortError,
    )
    return recognizer, metadata


def transcriber_of_onnx(
    name: str,
    recognizer: Recognizer,
    metadata: Metadata,
    find_speech: SpeechFinder,
    batch_frames: int,
) -> Transcriber:
    """Return the transcriber of an exported model.

    Raises:
        ValueError: The model does not say how its features are computed.
    """
    if metadata.fbank is None:
        raise ValueError(
            f"{name}: does not say how its features are computed (fbank); export it from an "
            f"experiment with a fbank.yaml"
        )
    return Transcriber(
        recognizer,
        sample_rate=metadata.sample_rate,
        fbank=FbankConfig(**metadata.fbank),
        find_speech=find_speech,
        batch_frames=batch_frames,
    )


def _unit_text(metadata: Metadata) -> UnitText:
    """Return the converter of units to text; pieces contain spaces, so it needs no model."""
    if metadata.token_type != "bpe":
        return UnitText(metadata.units, metadata.token_type)
    return UnitText([unit.replace(PIECE_SPACE, " ") for unit in metadata.units], "char")
