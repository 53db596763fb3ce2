"""Exported part of an ASR model: features to log-probabilities of units."""

import inspect
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import onnx_ir as ir
import torch
from torch import Tensor, nn
from torch.onnx import OnnxExporterError

from speechmoe_espnet.encoder.base import AbsSpeechMoEEncoder
from speechmoe_espnet.encoder.input_layers import EMBED
from speechmoe_espnet.encoder.output import valid_frames
from speechmoe_espnet.espnet.kaldi_fbank import KaldiFbank
from speechmoe_espnet.export.layers import traceable

INPUTS = ("features", "lengths")
OUTPUTS = ("log_probs", "log_probs_lengths")
EXAMPLE_BATCH = 2
EXAMPLE_FRAMES = 150


class AcousticModel(nn.Module):
    """Normalisation, encoder and CTC head of an ESPnet ASR model: features in.

    Args:
        model: An ESPnetASRModel that takes features, or has the frontend `kaldi_fbank`, which is
            left out.

    Raises:
        ValueError: The model has parts that cannot be exported; the message names them.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        require_exportable(model)
        self.normalize = model.normalize
        self.encoder = model.encoder
        self.ctc_lo = model.ctc.ctc_lo
        self.eval()

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute log-probabilities.

        Args:
            features: (B, T, F).
            lengths: Valid frames (B,), int64.

        Returns:
            Log-probabilities (B, T', V) and their valid frames (B,).
        """
        if self.normalize is not None:
            # A copy, because ESPnet normalises in place.
            features, lengths = self.normalize(features.clone(), lengths)
        if isinstance(self.encoder, AbsSpeechMoEEncoder):
            encoded = self.encoder.forward_with_routing(features, lengths)
            out, out_lengths = encoded.encoder_out, encoded.encoder_out_lens
        else:
            padding = ~valid_frames(lengths, features.size(1))
            out, out_lengths, _ = self.encoder(features, lengths, masks=padding)
            if isinstance(out, tuple):  # with the outputs of intermediate CTC
                out = out[0]
        return self.ctc_lo(out).log_softmax(dim=-1), out_lengths


def require_exportable(model: Any) -> None:
    """Raise ValueError where a model cannot be exported, saying why and what to do."""
    if model.ctc is None:
        raise ValueError(
            "the model has no CTC head (ctc_weight 0): what needs its attention decoder cannot be "
            "exported; train with ctc_weight above 0"
        )
    if model.frontend is not None and not isinstance(model.frontend, KaldiFbank):
        raise ValueError(
            "frontend: the model takes waveforms; only models of extracted features (stage 2 of "
            "a recipe) and of frontend: kaldi_fbank are exported"
        )
    for part in ("preencoder", "postencoder"):
        if getattr(model, part, None) is not None:
            raise ValueError(f"{part}: models with a {part} are not exported; train without one")
    kind = type(model.normalize).__name__
    if model.normalize is not None and kind != "GlobalMVN":
        raise ValueError(f"normalize: {kind} is not exported; only global_mvn and none are")
    takes = inspect.signature(model.encoder.forward).parameters
    if not isinstance(model.encoder, AbsSpeechMoEEncoder) and "masks" not in takes:
        raise ValueError(
            f"encoder: {type(model.encoder).__name__} makes its own padding mask, which cannot be "
            f"traced; SpeechMoE encoders and ESPnet's Conformers and Branchformers are exported"
        )
    if (
        isinstance(model.encoder, AbsSpeechMoEEncoder)
        and model.encoder.backbone.layer.name == EMBED
    ):
        raise ValueError("input_layer: embed takes units, not features; it is not exported")
    if getattr(model.encoder, "interctc_use_conditioning", False):
        raise ValueError("encoder: self-conditioned CTC is not exported; train without it")


def least_frames(model: Any) -> int:
    """Input frames of the shortest utterance that leaves an output frame."""
    if isinstance(model.encoder, AbsSpeechMoEEncoder):
        lengths = torch.arange(1, 1024)
        return int(lengths[model.encoder.output_lengths(lengths) > 0][0])
    from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import check_short_utt

    embed = getattr(model.encoder, "embed", None)
    return next(n for n in range(1, 1024) if not check_short_utt(embed, n)[0])


def subsampling(model: Any, num_features: int) -> int:
    """Input frames per output frame, rounded."""
    if isinstance(model.encoder, AbsSpeechMoEEncoder):
        return model.encoder.subsampling
    frames = 2400
    features = torch.zeros(1, frames, num_features)
    with torch.no_grad():
        _, lengths, _ = model.encoder.eval()(features, torch.tensor([frames]))
    return round(frames / int(lengths[0]))


def trace(model: nn.Module, num_features: int, least: int, opset: int | None = None) -> ir.Model:
    """Trace a model into an ONNX graph with opaque feed-forward nodes.

    Args:
        model: Takes and returns what AcousticModel does; in evaluation mode, on the CPU.
        num_features: F.
        least: Smallest T that the graph must take.
        opset: ONNX opset; None for the exporter's own.

    Returns:
        The graph; see `graph.expand`.
    """
    generator = torch.Generator().manual_seed(0)
    size = (EXAMPLE_BATCH, EXAMPLE_FRAMES + least, num_features)
    features = torch.randn(size, generator=generator)
    lengths = torch.tensor([features.size(1), features.size(1) - 11])
    batch, frames = torch.export.Dim("batch"), torch.export.Dim("frames", min=least)
    dynamic = ({0: batch, 1: frames}, {0: batch})
    return trace_module(model, (features, lengths), dynamic, INPUTS, OUTPUTS, opset)


def trace_module(
    module: nn.Module,
    examples: tuple[Tensor, ...],
    dynamic: tuple[dict[int, Any], ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    opset: int | None = None,
) -> ir.Model:
    """Trace any module that holds feed-forward layers, as `trace` does.

    Args:
        module: In evaluation mode, on the CPU.
        examples: Its arguments, no dimension 0 or 1.
        dynamic: torch.export's Dim of each argument's dynamic dimensions.
        inputs: Names of its arguments.
        outputs: Names of its results.
        opset: ONNX opset; None for the exporter's own.

    Raises:
        ValueError: The module holds something that cannot be traced.
    """
    try:
        with traceable(module), torch.no_grad(), _quiet():
            program = torch.onnx.export(
                module,
                examples,
                dynamo=True,
                dynamic_shapes=dynamic,
                input_names=list(inputs),
                output_names=list(outputs),
                opset_version=opset,
                verbose=False,
            )
    except OnnxExporterError as error:
        reason = error.__cause__ or error
        raise ValueError(
            f"the model cannot be traced for any length: {str(reason).strip().splitlines()[0]}"
        ) from error
    assert program is not None
    return program.model


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the messages of torch's exporter."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
